//! The seeds of the fuzz targets, without libFuzzer: none of them may panic.

use aftercall::fuzz;

use crate::harness::repository;

#[test]
fn every_seed_is_taken_calmly() {
    type Target = fn(&[u8]);
    let targets: [(&str, Target); 5] = [
        ("sip", fuzz::sip),
        ("sdp", fuzz::sdp),
        ("rtp", fuzz::rtp),
        ("dtmf", fuzz::dtmf),
        ("config", fuzz::config),
    ];
    for (name, target) in targets {
        let folder = repository("tests/fuzz/seeds").join(name);
        let seeds: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("a seed").path())
            .collect();
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            eprintln!("{}", seed.display()); // Shown when it panics.
            target(&std::fs::read(&seed).expect("the seed is read"));
        }
    }
}
