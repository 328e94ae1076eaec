//! What can befall a recogniser process: death, sleep, loops, lies, too much of everything.

use super::*;
use aftercall::speech::pool::Why;

#[test]
fn a_killed_process_costs_its_utterances_and_is_replaced() {
    let Some(pool) = pool(|_| ()) else { return };
    let first = pid(&pool);
    let mut spoken: Vec<_> = (0..5).map(|_| open(&pool)).collect();
    for utterance in &mut spoken {
        utterance.feed(&[3; 800]).expect("it is heard");
    }
    let fed = spoken.pop().expect("one of them");
    signal(first, "KILL");
    for utterance in spoken {
        assert_eq!(finish(utterance), Err(Deaf::Died));
    }
    let mut fed = fed;
    assert_eq!(fed.feed(&[3; 160]), Err(Deaf::Died));
    drop(fed);
    hear(open_again(&pool), &[0; 8000]).expect("the next process hears");
    assert_ne!(pid(&pool), first);
    let state = &pool.state()[0].processes[0];
    assert_eq!((state.restarts, state.streams), (1, 0), "{state:?}");
}

/// Waits until the first process ends, and says why it did.
fn ended(pool: &Pool, restarts: u64) -> Why {
    let mut changes = pool.changes();
    block(async {
        loop {
            let state = pool.state()[0].processes[0].clone();
            if let Phase::Restarting(why) = state.phase
                && state.restarts >= restarts
            {
                return why;
            }
            changes.changed().await.expect("the pool is there");
        }
    })
}

/// A pool that does not start the next process while a test looks at how the last one ended.
fn once(config: &mut SpeechConfig) {
    config.restart_min = Duration::from_secs(60);
}

#[test]
fn a_stopped_process_is_found_and_replaced() {
    let hung_after = Duration::from_millis(350);
    let Some(pool) = pool(|config| {
        once(config);
        config.hung_after = hung_after;
    }) else {
        return;
    };
    let mut utterance = open(&pool);
    utterance.feed(&[3; 1600]).expect("it is heard");
    let stopped = Instant::now();
    signal(pid(&pool), "STOP");
    assert_eq!(finish(utterance), Err(Deaf::Slow));
    println!("found after {:?}", stopped.elapsed());
    assert!(stopped.elapsed() < 4 * hung_after, "{:?}", stopped.elapsed());
    assert_eq!(ended(&pool, 1), Why::Hung);
    assert_eq!(pool.open(&english(), &digits(), Urgency::Live).err(), Some(Deaf::Slow));
}

#[test]
fn an_endless_loop_in_the_library_is_found() {
    let Some(library) = library() else { return };
    let mut config = config(library);
    once(&mut config);
    config.hung_after = Duration::from_millis(350);
    let mut models = built_in(&config);
    models[0].model.rate = 1; // Libvosk never comes back from such a rate.
    let pool = Pool::start(&config, &models);
    assert!(block(pool.settled(PATIENCE)));
    let mut utterance = open(&pool);
    // The feeding itself may see the end, on a machine that is slow enough.
    let _may_be_over = utterance.feed(&[3; 1600]);
    assert_eq!(finish(utterance), Err(Deaf::Slow));
    assert_eq!(ended(&pool, 1), Why::Hung);
}

#[test]
fn a_crash_in_the_library_costs_no_more_than_its_process() {
    let Some(library) = library() else { return };
    let mut config = config(library);
    once(&mut config);
    let mut models = built_in(&config);
    let dir = tempfile::tempdir().expect("a folder");
    copy(&models[0].folder, dir.path());
    let graph = dir.path().join("graph/HCLr.fst");
    let whole = std::fs::read(&graph).expect("the graph");
    std::fs::write(&graph, &whole[..whole.len() / 2]).expect("half of it");
    models[0].folder = dir.path().to_owned();
    let tested = self_test(&config, &models[0], &[]);
    assert!(matches!(tested.fault, Some(Fault::Died(_) | Fault::Unfit(_) | Fault::Deaf)), "{tested:?}");
    let pool = Pool::start(&config, &models);
    if block(pool.settled(PATIENCE)) {
        assert!(finish(open(&pool)).is_err());
        assert!(matches!(ended(&pool, 1), Why::Died(_)), "{:?}", pool.state());
    } else {
        assert!(matches!(ended(&pool, 1), Why::Died(_) | Why::Unfit(_)));
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder").map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file");
        }
    }
}

/// A pool whose process is a shell script; it speaks through its standard input as the real one does.
fn scripted(script: &str, change: impl FnOnce(&mut SpeechConfig)) -> (tempfile::TempDir, Pool) {
    let dir = tempfile::tempdir().expect("a folder");
    let program = dir.path().join("worker");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("it can be run");
    let mut config = config(program.clone());
    (config.worker, config.library) = (Some(program.clone()), Some(program));
    once(&mut config);
    change(&mut config);
    let pool = Pool::start(&config, &built_in(&config));
    (dir, pool)
}

/// The first two frames of a process that is fine.
const READY: &str = r"printf '\007\000\000\000eACSP\002\000\012\000\000\000f\005\000[unk]\006\001' >&0";

#[test]
fn garbage_from_a_process_ends_it() {
    for garbage in [
        r"printf '\377\377\377\377' >&0",                          // A frame of 4 GiB.
        r"printf '\007\000\000\000h\000\000\000\000\000\000' >&0", // A result that nobody asked for yet.
        r"printf '\005\000\000\000eACSP' >&0",                     // Half a greeting, the second one.
        r"printf '\001\000\000\000\200' >&0",                      // An unknown kind.
        // An answer to a ping that was not sent, and more failures than there were utterances.
        r"printf '\015\000\000\000j\000\000\000\000\000\000\000\000\000\000\000\000' >&0",
        r"for _ in 1 2 3; do printf '\006\000\000\000i\011\000\000\000\000' >&0; done",
    ] {
        let script = format!("{READY}; head -c 40 <&0 >/dev/null; {garbage}; sleep 60");
        let (_dir, pool) = scripted(&script, |_| ());
        assert!(block(pool.settled(PATIENCE)), "{:?}", pool.state());
        let utterance = open(&pool);
        assert_eq!(ended(&pool, 1), Why::Garbage, "{garbage}");
        assert_eq!(finish(utterance), Err(Deaf::Garbage), "{garbage}");
    }
    let (_dir, pool) = scripted(r"printf '\007\000\000\000eACSP\001\000' >&0; sleep 60", |_| ());
    assert_eq!(ended(&pool, 1), Why::Garbage, "another version");
}

#[test]
fn a_process_that_never_gets_ready_is_tried_again_and_again() {
    let short = |config: &mut SpeechConfig| {
        config.start_max = Duration::from_millis(200);
        config.restart_min = Duration::from_millis(10);
        config.restart_max = Duration::from_millis(80);
    };
    let (_dir, pool) = scripted("sleep 60", short);
    assert_eq!(ended(&pool, 3), Why::NotReady);
    let (_dir, pool) = scripted("exit 3", short);
    assert!(matches!(ended(&pool, 3), Why::Died(status) if status.code() == Some(3)));
    assert_eq!(pool.model(&english()), None);
    assert_eq!(pool.open(&english(), &digits(), Urgency::Live).err(), Some(Deaf::Died));
    assert_eq!(
        pool.open(&"nl".parse().expect("a language"), &digits(), Urgency::Live).err(),
        Some(Deaf::NoModel)
    );
}

#[test]
fn a_process_that_does_not_read_costs_no_memory() {
    let (_dir, pool) = scripted(&format!("{READY}; sleep 60"), |config| {
        config.queue_kib = 64;
        config.hung_after = PATIENCE;
    });
    assert!(block(pool.settled(PATIENCE)));
    let mut utterance = open(&pool);
    let packets = (0..100_000).take_while(|_| utterance.feed(&[0; 160]).is_ok()).count();
    assert!(packets < 4_000, "{packets} packets of audio were kept");
    assert_eq!(utterance.feed(&[0; 160]), Err(Deaf::Slow));
    assert_eq!(pool.state()[0].processes[0].streams, 0);
}

#[test]
fn a_late_result_costs_one_utterance() {
    let Some(pool) = pool(|config| config.deadline = Duration::from_millis(1)) else { return };
    let mut utterance = open(&pool);
    utterance.feed(&[5; 64_000]).expect("it is heard");
    assert_eq!(finish(utterance), Err(Deaf::Slow));
    let state = &pool.state()[0].processes[0];
    assert_eq!((state.phase, state.restarts, state.streams), (Phase::Ready, 0, 0));
}

#[test]
fn too_much_memory_ends_a_process() {
    let Some(library) = library() else { return };
    let mut config = config(library);
    once(&mut config);
    config.memory_max_mib = 12; // Less than the model takes.
    let pool = Pool::start(&config, &built_in(&config));
    let why = ended(&pool, 1);
    assert!(matches!(why, Why::Died(_) | Why::Memory | Why::Unfit(_)), "{why}");
}
