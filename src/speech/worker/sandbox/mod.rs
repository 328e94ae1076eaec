//! What a recogniser process gives up before it hears anything.
//!
//! Four steps, in this order: [`limit`] first thing, [`confine_to_model`] before the model is read, [`close_files`] when
//! it is loaded, and [`close_calls`] when the threads that hear are there. Landlock keeps files and ports away; the
//! filter of `calls` lets through only what hearing takes, so that either of them alone holds a process that has
//! loaded its model, where the kernel refuses the other.

mod calls;
mod probe;

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};

pub use self::probe::{Probe, Try, foreign_call_worked};
use super::super::frame::Confined;
use crate::priority;

/// The newest rules asked for; an older kernel enforces what it knows of them.
const RULES: ABI = ABI::V6;

/// No core file, at most so much memory, death with the parent, no real-time share, no right of an administrator, no
/// descriptor but the three.
///
/// # Errors
/// The process has lost its parent already.
pub fn limit(memory_max_mib: u64, nice: i32) -> Result<(), ParentGone> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let most = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    let memory = memory_max_mib.saturating_mul(1 << 20);
    // A limit that the system refuses is one that it has already set lower.
    let _lower = rustix::process::setrlimit(Resource::Core, none);
    let _lower = rustix::process::setrlimit(Resource::Data, most(memory));
    // What is only reserved is not data, but its page tables are memory too.
    let _lower =
        rustix::process::setrlimit(Resource::As, most(memory.saturating_mul(2).saturating_add(1 << 30)));
    let _old_kernel = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    // The service may run with a real-time share, which is for pacing audio, not for this.
    priority::leave_real_time();
    let _lower = rustix::process::setpriority_process(None, nice);
    let no = CapabilitySet::empty();
    let no = CapabilitySets { effective: no, permitted: no, inheritable: no };
    // Giving rights up is always allowed.
    let _none = rustix::thread::set_capabilities(None, no);
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

/// From here on: no files but those of the model, for reading; no ports; no system calls but those of loading and
/// hearing. Must be called while the process has one thread.
#[must_use]
pub fn confine_to_model(model: &Path) -> Confined {
    Confined { landlock: landlock(&[model]), calls: calls::allow_loading().is_ok() }
}

/// From here on: no files at all. Must be called while the process has one thread.
#[must_use]
pub fn close_files(before: Confined) -> Confined {
    Confined { landlock: before.landlock.min(landlock(&[])), ..before }
}

/// From here on, for all threads: no opening, no new thread, nothing but what hearing takes.
#[must_use]
pub fn close_calls(before: Confined) -> Confined {
    Confined { calls: before.calls && calls::allow_hearing().is_ok(), ..before }
}

/// The version of the rules that hold from here on; 0 for none.
fn landlock(readable: &[&Path]) -> u8 {
    let restrict = || -> Result<RestrictionStatus, RulesetError> {
        Ruleset::default()
            .handle_access(AccessFs::from_all(RULES))?
            .handle_access(AccessNet::from_all(RULES))?
            .scope(Scope::from_all(RULES))?
            .create()?
            .add_rules(path_beneath_rules(readable, AccessFs::from_read(RULES)))?
            .restrict_self()
    };
    match restrict() {
        Ok(RestrictionStatus { ruleset: RulesetStatus::NotEnforced, .. }) | Err(_) => 0,
        Ok(RestrictionStatus { landlock: LandlockStatus::Available { effective_abi, .. }, .. }) => {
            // The versions have no numbers but in print.
            effective_abi.min(RULES).to_string().parse().unwrap_or(0)
        }
        Ok(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_that_are_asked_for_are_those_that_are_told() {
        assert_eq!(RULES.to_string(), Confined::LANDLOCK.to_string());
    }
}
