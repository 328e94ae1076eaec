//! What a closed process tries to do, to see that it cannot.

use std::io::Error;

use super::calls;

/// One thing that a recogniser must not manage, and what came of it.
#[derive(Debug)]
pub struct Try {
    /// What.
    pub name: String,
    /// Whether the cage refused it.
    pub refused: bool,
}

/// Attempts from inside. It is made before the process is closed, because a closed one does not know its parent.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    parent: i64,
}

/// Any argument that is no address and no number of anything.
const BAD: i64 = -1;

impl Probe {
    /// For this process.
    #[must_use]
    pub fn new() -> Self {
        Self { parent: i64::from(std::os::unix::process::parent_id()) }
    }

    /// What a process does that wants to get at the machine, through the standard library.
    #[must_use]
    pub fn deeds(self) -> Vec<Try> {
        let file = std::env::temp_dir().join(format!("aftercall-escape.{}", std::process::id()));
        let wrote = || std::fs::write(&file, "x").and_then(|()| std::fs::remove_file(&file));
        [
            ("read /etc/passwd", std::fs::read("/etc/passwd").is_ok()),
            ("read its own program", std::fs::read("/proc/self/exe").is_ok()),
            ("read its parent's memory map", std::fs::read(format!("/proc/{}/maps", self.parent)).is_ok()),
            ("list a folder", std::fs::read_dir("/").is_ok()),
            ("write a file", wrote().is_ok()),
            ("open a TCP socket", std::net::TcpListener::bind(("127.0.0.1", 0)).is_ok()),
            ("open a UDP socket", std::net::UdpSocket::bind(("127.0.0.1", 0)).is_ok()),
            ("open a Unix socket", std::os::unix::net::UnixDatagram::unbound().is_ok()),
            ("start a program", std::process::Command::new("/bin/true").status().is_ok()),
        ]
        .into_iter()
        .map(|(name, worked)| Try { name: name.to_owned(), refused: !worked })
        .collect()
    }

    /// Calls that the filter must refuse, each with arguments that change nothing if it does not. Only what the filter
    /// itself answers counts as refused.
    #[must_use]
    pub fn calls(self) -> Vec<Try> {
        let attempt = |(name, call, arguments): (&str, i64, [i64; 6])| Try {
            name: name.to_owned(),
            refused: answer(call, arguments) == Some(calls::REFUSED),
        };
        self.attempts().into_iter().map(attempt).collect()
    }

    fn attempts(self) -> Vec<(&'static str, i64, [i64; 6])> {
        let parent = self.parent;
        // The clock of a process's processor time.
        let clock = !parent << 3 | 2;
        let (code, shared) = (i64::from(libc::PROT_EXEC), i64::from(libc::MAP_SHARED | libc::MAP_ANONYMOUS));
        let mut all = vec![
            ("signal its parent", libc::SYS_kill, [parent, 0, 0, 0, 0, 0]),
            ("signal a thread of its parent", libc::SYS_tgkill, [parent, parent, 0, 0, 0, 0]),
            ("signal any thread", libc::SYS_tkill, [parent, 0, 0, 0, 0, 0]),
            ("queue a signal", libc::SYS_rt_sigqueueinfo, [parent, 0, BAD, 0, 0, 0]),
            ("queue a signal for a thread", libc::SYS_rt_tgsigqueueinfo, [parent, parent, 0, BAD, 0, 0]),
            ("hold its parent", libc::SYS_pidfd_open, [parent, BAD, 0, 0, 0, 0]),
            ("take its parent's descriptors", libc::SYS_pidfd_getfd, [BAD, 0, 0, 0, 0, 0]),
            ("signal by descriptor", libc::SYS_pidfd_send_signal, [BAD, 0, 0, 0, 0, 0]),
            ("have the kernel signal its parent", libc::SYS_fcntl, [BAD, F_SETOWN, parent, 0, 0, 0]),
            ("control a device", libc::SYS_ioctl, [BAD, 0, 0, 0, 0, 0]),
            ("trace", libc::SYS_ptrace, [BAD, parent, 0, 0, 0, 0]),
            ("read its parent's memory", libc::SYS_process_vm_readv, [parent, 0, 0, 0, 0, BAD]),
            ("write its parent's memory", libc::SYS_process_vm_writev, [parent, 0, 0, 0, 0, BAD]),
            ("advise on memory of others", libc::SYS_process_madvise, [BAD, 0, 0, 0, 0, 0]),
            ("compare with its parent", libc::SYS_kcmp, [parent, parent, BAD, 0, 0, 0]),
            ("limit its parent", libc::SYS_prlimit64, [parent, 0, 0, 0, 0, 0]),
            ("lift its own limits", libc::SYS_prlimit64, [0, 0, 0, 0, 0, 0]),
            ("set a limit", libc::SYS_setrlimit, [BAD, 0, 0, 0, 0, 0]),
            ("schedule its parent", libc::SYS_sched_setscheduler, [parent, BAD, 0, 0, 0, 0]),
            ("schedule its parent by attributes", libc::SYS_sched_setattr, [parent, 0, 0, 0, 0, 0]),
            ("set its parent's priority", libc::SYS_sched_setparam, [parent, 0, 0, 0, 0, 0]),
            ("move its parent to other cores", libc::SYS_sched_setaffinity, [parent, 0, 0, 0, 0, 0]),
            ("be ahead of its parent", libc::SYS_setpriority, [BAD, parent, 0, 0, 0, 0]),
            ("slow its parent's disk", libc::SYS_ioprio_set, [BAD, parent, 0, 0, 0, 0]),
            ("move its parent's pages", libc::SYS_migrate_pages, [parent, 0, 0, 0, 0, 0]),
            ("join its parent's group", libc::SYS_setpgid, [parent, BAD, 0, 0, 0, 0]),
            ("read its parent's clock", libc::SYS_clock_gettime, [clock, 0, 0, 0, 0, 0]),
            ("know its parent", libc::SYS_getppid, [0; 6]),
            ("open a file", libc::SYS_openat, [BAD, 0, 0, 0, 0, 0]),
            ("open a file by handle", libc::SYS_open_by_handle_at, [BAD, 0, 0, 0, 0, 0]),
            ("change a mode", libc::SYS_fchmodat, [BAD, 0, 0, 0, 0, 0]),
            ("change a mode of what is open", libc::SYS_fchmod, [BAD, 0, 0, 0, 0, 0]),
            ("change an owner", libc::SYS_fchownat, [BAD, 0, 0, 0, 0, 0]),
            ("set an attribute", libc::SYS_setxattr, [0; 6]),
            ("set a time", libc::SYS_utimensat, [BAD, 0, BAD, BAD, 0, 0]),
            ("remove a file", libc::SYS_unlinkat, [BAD, 0, 0, 0, 0, 0]),
            ("rename a file", libc::SYS_renameat2, [BAD, 0, BAD, 0, 0, 0]),
            ("look at a file", libc::SYS_newfstatat, [BAD, 0, 0, 0, 0, 0]),
            ("change its folder", libc::SYS_chdir, [0; 6]),
            ("open a socket", libc::SYS_socket, [BAD, 0, 0, 0, 0, 0]),
            ("send to another address", libc::SYS_sendto, [BAD, 0, 0, 0, 1, 0]),
            ("pass a descriptor", libc::SYS_sendmsg, [BAD, 0, 0, 0, 0, 0]),
            ("take a descriptor", libc::SYS_recvmsg, [BAD, 0, 0, 0, 0, 0]),
            ("start a program", libc::SYS_execve, [0; 6]),
            (
                "start a process",
                libc::SYS_clone,
                [i64::from(libc::CLONE_NEWUSER | libc::CLONE_FS), 0, 0, 0, 0, 0],
            ),
            ("start a thread", libc::SYS_clone, [i64::from(libc::CLONE_THREAD), 0, 0, 0, 0, 0]),
            ("start a process the new way", libc::SYS_clone3, [0; 6]),
            ("make a namespace", libc::SYS_unshare, [0; 6]),
            ("enter a namespace", libc::SYS_setns, [BAD, 0, 0, 0, 0, 0]),
            ("mount", libc::SYS_mount, [0; 6]),
            ("start a ring", libc::SYS_io_uring_setup, [0; 6]),
            ("load a program into the kernel", libc::SYS_bpf, [BAD, 0, 0, 0, 0, 0]),
            ("watch the processor", libc::SYS_perf_event_open, [0, 0, BAD, BAD, BAD, 0]),
            ("catch page faults", libc::SYS_userfaultfd, [BAD, 0, 0, 0, 0, 0]),
            ("use the key ring", libc::SYS_keyctl, [BAD, 0, 0, 0, 0, 0]),
            ("become dumpable again", libc::SYS_prctl, [i64::from(libc::PR_SET_DUMPABLE), BAD, 0, 0, 0, 0]),
            ("outlive its parent", libc::SYS_prctl, [i64::from(libc::PR_SET_PDEATHSIG), BAD, 0, 0, 0, 0]),
            ("map code", libc::SYS_mmap, [0, 0, code, 0x22, BAD, 0]),
            ("turn data into code", libc::SYS_mprotect, [0, 0, code, 0, 0, 0]),
            ("take memory that no limit counts", libc::SYS_mmap, [0, 0, 3, shared, BAD, 0]),
            ("take a stack that no limit counts", libc::SYS_mmap, [0, 0, 3, 0x122, BAD, 0]),
            ("poison memory", libc::SYS_madvise, [0, 0, 100, 0, 0, 0]),
            ("lock memory", libc::SYS_mlockall, [0; 6]),
            ("make a file in memory", libc::SYS_memfd_create, [0; 6]),
            ("share memory", libc::SYS_shmget, [0; 6]),
            ("make a pipe", libc::SYS_pipe2, [0, BAD, 0, 0, 0, 0]),
            ("make a timer that signals", libc::SYS_timer_create, [BAD, 0, 0, 0, 0, 0]),
            ("change its user", libc::SYS_setresuid, [BAD; 6]),
            ("change its rights", libc::SYS_capset, [0; 6]),
            ("filter again", libc::SYS_seccomp, [BAD, 0, 0, 0, 0, 0]),
        ];
        #[cfg(target_arch = "x86_64")]
        all.extend([
            ("open a file the old way", libc::SYS_open, [0; 6]),
            ("change a mode the old way", libc::SYS_chmod, [0; 6]),
            ("read by the 32-bit numbering", X32 | libc::SYS_read, [BAD, 0, 0, 0, 0, 0]),
            ("signal by the 32-bit numbering", X32 | libc::SYS_kill, [parent, 0, 0, 0, 0, 0]),
            ("limit by the 32-bit numbering", X32 | libc::SYS_prlimit64, [parent, 0, 0, 0, 0, 0]),
        ]);
        all
    }

    /// Every number that is not for hearing, with bad arguments. For a process that is closed and can be lost.
    #[must_use]
    pub fn numbers(self) -> Vec<Try> {
        let ordinary =
            (0..NUMBERS).filter(|&call| !calls::is_for_hearing(call) && !OF_PROBES.contains(&call));
        let foreign = (0..NUMBERS).map(|call| X32 | call);
        let foreign = foreign.filter(|_| cfg!(target_arch = "x86_64"));
        ordinary
            .chain(foreign)
            .map(|call| Try {
                name: format!("make system call {call:#x}"),
                refused: answer(call, [BAD; 6]) == Some(calls::REFUSED),
            })
            .collect()
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self::new()
    }
}

/// Marks a call of x86's 32-bit numbering.
const X32: i64 = 0x4000_0000;
/// More than the kernel has numbers.
const NUMBERS: i64 = 1_024;
/// On x86 the kernel lets the two of its own probes past every filter, and ends whoever makes them elsewhere.
const OF_PROBES: &[i64] = if cfg!(target_arch = "x86_64") { &[335, 336] } else { &[] };
const F_SETOWN: i64 = 8;

/// The error of a system call; `None` when it worked.
#[expect(unsafe_code, reason = "the calls are tried by their numbers")]
fn answer(call: i64, [a, b, c, d, e, f]: [i64; 6]) -> Option<i32> {
    // SAFETY: each call has arguments that the kernel refuses or that change nothing.
    let result = unsafe { libc::syscall(call, a, b, c, d, e, f) };
    (result == -1).then(|| Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// Asks for the process id by the rules of 32-bit x86, whether that works; in a closed process the kernel ends it.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "no other way to make a call of another processor")]
#[must_use]
pub fn foreign_call_worked() -> bool {
    const GETPID: i64 = 20;
    let mut result = GETPID;
    // SAFETY: this call takes no arguments and touches no memory; the registers that it may spoil are named.
    unsafe {
        std::arch::asm!("int 0x80", inout("rax") result, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    result > 0
}

/// Other processors have no second set of rules that this one is built for.
#[cfg(not(target_arch = "x86_64"))]
#[must_use]
pub fn foreign_call_worked() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_gave_nothing_up_escapes() {
        let all = Probe::new().deeds();
        let refused: Vec<_> = all.iter().filter(|one| one.refused).collect();
        assert!(refused.is_empty(), "{refused:?}");
    }

    /// What the system itself refuses to everybody, or to a plain user, says nothing of the filter.
    #[test]
    fn only_the_filter_makes_an_attempt_a_refused_one() {
        let refused = Probe::new().calls().into_iter().filter(|one| one.refused);
        let names: Vec<String> = refused.map(|one| one.name).collect();
        assert!(names.len() < 20, "{names:?}");
    }
}
