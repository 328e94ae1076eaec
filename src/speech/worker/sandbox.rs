//! What a recogniser process gives up before it hears anything.
//!
//! Three steps, in this order: [`limit`] first thing, [`confine_to_model`] before the model is read, [`seal`] when it is
//! loaded. Landlock keeps files and ports away; the system call filter keeps sockets, programs and other processes away,
//! and, once sealed, every opening of a file, so that either of them alone holds where the kernel refuses the other.

use std::collections::BTreeMap;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::super::frame::Confined;
use crate::priority;

/// The newest rules asked for; an older kernel enforces what it knows of them.
const RULES: ABI = ABI::V6;

/// No core file, at most so much memory, death with the parent, no real-time share, no descriptor but the three.
///
/// # Errors
/// The process has lost its parent already.
pub fn limit(memory_max_mib: u64, nice: i32) -> Result<(), ParentGone> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let memory = Some(memory_max_mib.saturating_mul(1 << 20));
    // A limit that the system refuses is one that it has already set lower.
    let _lower = rustix::process::setrlimit(Resource::Core, none);
    let _lower = rustix::process::setrlimit(Resource::Data, Rlimit { current: memory, maximum: memory });
    let _old_kernel = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    // The service may run with a real-time share, which is for pacing audio, not for this.
    priority::leave_real_time();
    let _lower = rustix::process::setpriority_process(None, nice);
    close_the_rest();
    let parent = rustix::process::getppid();
    let _old_kernel = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    // A parent that died before the line above sends no signal any more.
    if parent.is_none() || rustix::process::getppid() != parent { Err(ParentGone) } else { Ok(()) }
}

/// Nobody waits for what this process would hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParentGone;

/// Whatever the parent failed to mark as close-on-exec.
#[expect(unsafe_code, reason = "no safe way to close descriptors that nobody owns")]
fn close_the_rest() {
    // SAFETY: called before this process has opened anything of its own.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0);
    }
}

/// From here on: no files but those of the model, for reading; no ports; no sockets, programs or other processes.
/// Must be called while the process has one thread.
#[must_use]
pub fn confine_to_model(model: &Path) -> Confined {
    Confined { files: landlock(&[model]), calls: filter(&DENIED).is_ok() && deny_processes().is_ok() }
}

/// From here on: no files at all. Must be called while the process has one thread.
#[must_use]
pub fn seal(before: Confined) -> Confined {
    Confined {
        files: before.files && landlock(&[]),
        calls: before.calls && filter(&DENIED_WHEN_LOADED).is_ok(),
    }
}

fn landlock(readable: &[&Path]) -> bool {
    let restrict = || -> Result<bool, RulesetError> {
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(RULES))?
            .handle_access(AccessNet::from_all(RULES))?
            .scope(Scope::from_all(RULES))?
            .create()?
            .add_rules(path_beneath_rules(readable, AccessFs::from_read(RULES)))?
            .restrict_self()?;
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    };
    restrict().unwrap_or(false)
}

/// Calls that no recogniser needs, whether its model is loaded or not.
const DENIED: [i64; 43] = [
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_personality,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_memfd_create,
    libc::SYS_shmget,
    libc::SYS_mq_open,
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    libc::SYS_acct,
    libc::SYS_syslog,
];

/// Calls that only a model's loading needs.
const DENIED_WHEN_LOADED: [i64; 9] = [
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_renameat2,
    libc::SYS_truncate,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(not(target_arch = "x86_64"))]
    libc::SYS_mknodat,
];

type Refused = Box<dyn std::error::Error>;

fn filter(denied: &[i64]) -> Result<(), Refused> {
    apply(denied.iter().map(|&call| (call, Vec::new())).collect(), libc::EPERM)
}

/// A thread is a clone with `CLONE_THREAD`; anything else is a new process. The flags of `clone3` lie in memory, where a
/// filter cannot look: it is "not there", and the C library takes `clone` instead.
fn deny_processes() -> Result<(), Refused> {
    let thread = u64::try_from(libc::CLONE_THREAD)?;
    let no_thread = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), 0)?;
    #[allow(unused_mut, reason = "other machines have no fork of their own")]
    let mut rules = BTreeMap::from([(libc::SYS_clone, vec![SeccompRule::new(vec![no_thread])?])]);
    #[cfg(target_arch = "x86_64")]
    rules.extend([(libc::SYS_fork, Vec::new()), (libc::SYS_vfork, Vec::new())]);
    apply(rules, libc::EPERM)?;
    apply(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
}

fn apply(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Result<(), Refused> {
    let refuse = SeccompAction::Errno(u32::try_from(errno)?);
    let machine = std::env::consts::ARCH.try_into()?;
    let program: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refuse, machine)?.try_into()?;
    seccompiler::apply_filter_all_threads(&program)?;
    Ok(())
}

/// What a sealed process still manages to do, of the things that it must not: the names of those that worked.
#[must_use]
pub fn escapes() -> Vec<&'static str> {
    let mut worked = Vec::new();
    let mut tried = |name, worked_out: bool| {
        if worked_out {
            worked.push(name);
        }
    };
    tried("read /etc/passwd", std::fs::read("/etc/passwd").is_ok());
    tried("read its own program", std::fs::read("/proc/self/exe").is_ok());
    let file = std::env::temp_dir().join(format!("aftercall-escape.{}", std::process::id()));
    tried("write a file", std::fs::write(&file, "x").and_then(|()| std::fs::remove_file(file)).is_ok());
    tried("open a TCP socket", std::net::TcpListener::bind(("127.0.0.1", 0)).is_ok());
    tried("open a UDP socket", std::net::UdpSocket::bind(("127.0.0.1", 0)).is_ok());
    tried("open a Unix socket", std::os::unix::net::UnixDatagram::unbound().is_ok());
    tried("start a program", std::process::Command::new("/bin/true").status().is_ok());
    tried("signal its parent", parent_can_be_signalled());
    worked
}

fn parent_can_be_signalled() -> bool {
    rustix::process::getppid().is_some_and(|parent| rustix::process::test_kill_process(parent).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_gave_nothing_up_escapes() {
        let can = escapes();
        for name in
            ["read /etc/passwd", "write a file", "open a TCP socket", "start a program", "signal its parent"]
        {
            assert!(can.contains(&name), "{can:?}");
        }
    }
}
