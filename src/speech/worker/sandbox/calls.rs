//! The system calls that a recogniser process may make: those that libvosk was seen to make while it loads a model, hears
//! on several threads, fails and ends, and those that the C library makes for it. Every other number is refused, those of
//! x86's 32-bit numbering among them; a call by the rules of another processor ends the process.
//!
//! A call that could name another process, or take memory that no limit counts, is let through with harmless arguments
//! only.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// Calls that hearing takes, whatever their arguments.
const HEARING: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_read,
    libc::SYS_recvfrom,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
    libc::SYS_write,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

/// Calls that loading takes beside those.
const LOADING: &[i64] = &[
    libc::SYS_fstat,
    libc::SYS_getdents64,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_restrict_self,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_rseq,
    libc::SYS_seccomp,
    libc::SYS_set_robust_list,
    libc::SYS_statx,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
];

/// Calls that are "not there" while threads start: the C library goes without them, or takes `clone`, whose flags a filter can see. Those of
/// `clone3` lie in memory.
const ABSENT: [i64; 2] = [libc::SYS_clone3, libc::SYS_sched_getaffinity];

/// The answer to a call that is not allowed.
pub(super) const REFUSED: i32 = libc::EPERM;

/// Clocks by number are the system's; higher numbers are other processes'.
const CLOCKS: u64 = 16;
/// `MAP_SHARED`, `MAP_PRIVATE` and `MAP_GROWSDOWN`: only what is private and does not grow by itself is counted as data.
const MAP_KIND: u64 = 0x103;
const MAP_PRIVATE: u64 = 0x2;

type Refused = Box<dyn std::error::Error>;
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Only loading and hearing from here on.
pub(super) fn allow_loading() -> Result<(), Refused> {
    let absent = ABSENT.iter().map(|&call| (call, Vec::new())).collect();
    apply(absent, SeccompAction::Allow, SeccompAction::Errno(u32::try_from(libc::ENOSYS)?))?;
    allow(loading()?)
}

/// Only hearing from here on, for every thread.
pub(super) fn allow_hearing() -> Result<(), Refused> {
    allow(hearing()?)
}

/// Whether a call is on the list of those that hearing takes, with some arguments or with any.
pub(super) fn is_for_hearing(call: i64) -> bool {
    hearing().is_ok_and(|rules| rules.contains_key(&call))
}

fn allow(rules: Rules) -> Result<(), Refused> {
    apply(rules, SeccompAction::Errno(u32::try_from(REFUSED)?), SeccompAction::Allow)
}

fn apply(rules: Rules, otherwise: SeccompAction, named: SeccompAction) -> Result<(), Refused> {
    let machine = std::env::consts::ARCH.try_into()?;
    let program: BpfProgram = SeccompFilter::new(rules, otherwise, named, machine)?.try_into()?;
    seccompiler::apply_filter_all_threads(&program)?;
    Ok(())
}

fn hearing() -> Result<Rules, Refused> {
    let mut rules: Rules = HEARING.iter().map(|&call| (call, Vec::new())).collect();
    let own = u64::from(std::process::id());
    let no_code = || only(2, number(libc::PROT_EXEC), 0);
    rules.extend([
        // The C library ends a process that makes no sense by a signal to itself.
        (libc::SYS_tgkill, vec![rule([is(0, own)?])?]),
        (libc::SYS_clock_gettime, vec![rule([below(0, CLOCKS)?])?]),
        (libc::SYS_mmap, vec![rule([no_code()?, only(3, MAP_KIND, MAP_PRIVATE)?])?]),
        (libc::SYS_mprotect, vec![rule([no_code()?])?]),
        (libc::SYS_madvise, vec![rule([is(2, number(libc::MADV_DONTNEED))?])?]),
        // Without an address: to whom the socket is joined.
        (libc::SYS_sendto, vec![rule([is_null(4)?])?]),
        // Its other commands make the kernel signal whom one likes.
        (libc::SYS_fcntl, vec![rule([is(1, number(libc::F_GETFD))?])?]),
    ]);
    Ok(rules)
}

fn loading() -> Result<Rules, Refused> {
    let mut rules = hearing()?;
    rules.extend(LOADING.iter().map(|&call| (call, Vec::new())));
    let (thread, writing) = (
        number(libc::CLONE_THREAD),
        number(libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY)),
    );
    let any = [libc::F_GETFD, libc::F_DUPFD_CLOEXEC].map(|command| rule([is(1, number(command))?]));
    let prctl = [libc::PR_SET_NO_NEW_PRIVS, libc::PR_SET_NAME].map(|option| rule([is(0, number(option))?]));
    rules.extend([
        // A thread is a clone with `CLONE_THREAD`; anything else is a new process.
        (libc::SYS_clone, vec![rule([only(0, thread, thread)?])?]),
        (libc::SYS_openat, vec![rule([only(2, writing, 0)?])?]),
        (libc::SYS_fcntl, any.into_iter().collect::<Result<_, _>>()?),
        (libc::SYS_prctl, prctl.into_iter().collect::<Result<_, _>>()?),
        (libc::SYS_clone3, Vec::new()),
        (libc::SYS_sched_getaffinity, Vec::new()),
    ]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![rule([only(1, writing, 0)?])?]);
    Ok(rules)
}

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, Refused> {
    Ok(SeccompRule::new(conditions.into())?)
}

/// The lower half of an argument, which is all that the kernel reads of an `int`.
fn half(argument: u8, compared: SeccompCmpOp, value: u64) -> Result<SeccompCondition, Refused> {
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compared, value)?)
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition, Refused> {
    half(argument, SeccompCmpOp::Eq, value)
}

fn below(argument: u8, value: u64) -> Result<SeccompCondition, Refused> {
    half(argument, SeccompCmpOp::Lt, value)
}

/// Of these bits, those.
fn only(argument: u8, bits: u64, those: u64) -> Result<SeccompCondition, Refused> {
    half(argument, SeccompCmpOp::MaskedEq(bits), those)
}

fn is_null(argument: u8) -> Result<SeccompCondition, Refused> {
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?)
}

fn number(constant: i32) -> u64 {
    u64::from(constant.unsigned_abs())
}
