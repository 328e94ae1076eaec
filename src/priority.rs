//! Who comes first where the cores are all taken: audio before calls, and calls before everything else.
//!
//! A service that was started with a real-time share (`SCHED_RR`, as `deploy/aftercall.service` does it) gives it to
//! every thread, and threads of one priority wait for each other: a page that is made for a supervisor would stop the
//! audio of callers for as long as a time slice. So the threads of audio go one step up, and those that no caller waits
//! for go back to an ordinary share. Without real time the same is done by nice values, as far as the system allows.

/// Steps of niceness that audio is ahead of calls.
const AHEAD: i32 = 11;
/// And calls of the rest: a third of the share, where both want all of it.
const BEHIND: i32 = 5;

/// Puts the calling thread before those of calls. False where the system does not allow it; then it is one of them.
#[must_use]
pub fn ahead_of_calls() -> bool {
    match real_time() {
        Some((policy, priority)) => set(policy, priority + 1),
        None => rustix::process::setpriority_process(None, -AHEAD).is_ok(),
    }
}

/// Puts the calling thread, and those that it starts, behind the threads of calls.
pub fn behind_calls() {
    if real_time().is_some() {
        leave_real_time();
    } else if let Ok(nice) = rustix::process::getpriority_process(None) {
        // Giving way is always allowed; what it cannot be is so nice that there is no such value.
        let _nicest = rustix::process::setpriority_process(None, nice + BEHIND);
    }
}

/// Takes the calling thread's real-time share away, if it has one.
pub fn leave_real_time() {
    set(libc::SCHED_OTHER, 0);
}

/// The real-time policy and priority of the calling thread; `None` when it has an ordinary share.
#[expect(unsafe_code, reason = "no safe wrapper for the scheduling policy among our dependencies")]
fn real_time() -> Option<(i32, i32)> {
    // SAFETY: plain system calls on a local value.
    let (policy, priority) = unsafe {
        let mut param: libc::sched_param = std::mem::zeroed();
        let read = libc::sched_getparam(0, &raw mut param) == 0;
        (libc::sched_getscheduler(0), if read { param.sched_priority } else { 0 })
    };
    (matches!(policy, libc::SCHED_RR | libc::SCHED_FIFO) && priority > 0).then_some((policy, priority))
}

#[expect(unsafe_code, reason = "no safe wrapper for the scheduling policy among our dependencies")]
fn set(policy: i32, priority: i32) -> bool {
    // SAFETY: plain system calls on a local value; failing leaves things as they are.
    unsafe {
        let mut param: libc::sched_param = std::mem::zeroed();
        param.sched_priority = priority;
        libc::sched_setscheduler(0, policy, &raw const param) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nice() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    /// On a thread of its own, which may be changed.
    fn apart<T: Send>(look: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(look).join().unwrap())
    }

    #[test]
    fn threads_that_nobody_waits_for_give_way_and_their_children_with_them() {
        let before = nice();
        let (own, child) = apart(|| {
            behind_calls();
            (nice(), apart(nice))
        });
        assert_eq!((own, child), (before + BEHIND, before + BEHIND));
        assert_eq!(nice(), before, "the thread beside it");
    }

    #[test]
    fn real_time_is_left_by_some_and_raised_for_others() {
        if !apart(|| set(libc::SCHED_RR, 10)) {
            eprintln!("not tried: no right to a real-time share here");
            return;
        }
        let shares = apart(|| {
            assert!(set(libc::SCHED_RR, 10));
            let ahead = apart(|| ahead_of_calls().then(real_time).flatten());
            let behind = apart(|| {
                behind_calls();
                real_time()
            });
            (real_time(), ahead, behind)
        });
        assert_eq!(shares, (Some((libc::SCHED_RR, 10)), Some((libc::SCHED_RR, 11)), None));
    }
}
