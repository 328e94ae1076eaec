//! Differences, shrunk shares and chart limits against scipy and statsmodels: `tests/reference/compare.py`.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use statrs::function::beta::beta_reg;

use super::*;

#[derive(Deserialize)]
struct Reference {
    share: Vec<Pair<(u64, u64)>>,
    mean: Vec<Pair<BTreeMap<i16, u64>>>,
    nps: Vec<Pair<BTreeMap<i16, u64>>>,
    shrink: Vec<Many>,
    p_chart: Vec<Many>,
}

#[derive(Deserialize)]
struct Pair<T> {
    a: T,
    b: T,
    expect: [f64; 3],
}

#[derive(Deserialize)]
struct Many {
    shares: Vec<(u64, u64)>,
    expect: Vec<[f64; 3]>,
}

#[track_caller]
fn near(ours: [f64; 3], theirs: [f64; 3]) {
    for (our, their) in ours.into_iter().zip(theirs) {
        assert!((our - their).abs() <= 1e-9, "{ours:?} and not {theirs:?}");
    }
}

#[test]
fn comparisons_equal_the_reference() {
    let text = include_str!("../../tests/reference/compare.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    let three = |d: Difference| [d.value, d.low, d.high];
    for case in &reference.share {
        near(three(share_difference(case.a, case.b).unwrap()), case.expect);
    }
    for case in &reference.mean {
        near(three(mean_difference(&case.a, &case.b).unwrap()), case.expect);
    }
    for case in &reference.nps {
        near(three(nps_difference(&case.a, &case.b).unwrap()), case.expect);
    }
    for case in &reference.shrink {
        let shrinkage = Shrinkage::fit(&case.shares).unwrap();
        for (&(k, n), expect) in case.shares.iter().zip(&case.expect) {
            let e = shrinkage.of(k, n);
            near([e.value, e.low, e.high], *expect);
        }
    }
    for case in &reference.p_chart {
        for (limits, expect) in p_chart(&case.shares).iter().zip(&case.expect) {
            near([limits.value, limits.low, limits.high], *expect);
        }
    }
}

#[test]
fn few_answers_and_alike_agents_are_no_trouble() {
    assert_eq!(share_difference((4, 4), (9, 9)), None);
    assert_eq!(Shrinkage::fit(&[(3, 5)]), None);
    let alike = Shrinkage::fit(&[(5, 5), (9, 9), (0, 0)]).unwrap();
    let e = alike.of(5, 5);
    assert!(e.low > 60.0 && e.value < 100.0 && e.high <= 100.0, "{e:?}");
    let little = Shrinkage::fit(&[(1, 5), (60, 100), (66, 100)]).unwrap().of(1, 5).value;
    assert!(little > 40.0, "five answers say little: {little}");
    let none: [(u64, u64); 0] = [];
    assert_eq!((p_chart(&none), p_chart(&[(0, 0)])), (vec![], vec![]));
    let charted = p_chart(&[(50, 100), (52, 100), (48, 100), (10, 100)]);
    assert_eq!(charted[3].verdict, Verdict::Below);
    let same = Difference { value: 1.0, low: -1.0, high: 3.0 };
    assert_eq!(same.verdict(), Verdict::Within);
    assert_eq!(Difference { low: 0.5, ..same }.verdict(), Verdict::Above);
}

#[test]
fn expected_calls_follow_the_queues() {
    let strata = [Stratum { own: 40, all: 400, chosen: 20 }, Stratum { own: 10, all: 10, chosen: 10 }];
    let expected = expected(&strata);
    assert!((expected.value - 12.0).abs() < 1e-12, "{expected:?}");
    // scipy.stats.hypergeom(400, 20, 40).std() = 1.3093
    assert!((expected.high - expected.value - 1.96 * 1.3093).abs() < 1e-3, "{expected:?}");
}

proptest! {
    #[test]
    fn the_middle_of_a_posterior_is_found_wherever_it_lies(
        alpha in 0.5..1e5, beta in 0.5..1e5, k in 0u64..100_000, more in 0u64..100_000, few: bool,
    ) {
        let (alpha, beta) = if few { (0.5, beta) } else { (alpha, beta) };
        let e = Shrinkage { alpha, beta }.of(k, k + more);
        let below = |percent: f64| {
            beta_reg(alpha + figure::to_f64(k), beta + figure::to_f64(more), percent / 100.0)
        };
        prop_assert!((below(e.low) - 0.025).abs() < 1e-9, "{e:?}: {}", below(e.low));
        prop_assert!((below(e.high) - 0.975).abs() < 1e-9, "{e:?}: {}", below(e.high));
    }
}
