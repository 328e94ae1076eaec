//! Answers put together for showing: those of full groups of responses ([`super::groups`]) wait until there are enough to
//! one question about one agent; that tile counts as a whole from then on, and never changes. [`super::rules`] says why.

use std::collections::{BTreeMap, HashMap};

use crate::domain::{Origin, QuestionId, Scale, SurveyId};

/// The answers of an agent's full groups wait for a tile of one queue until this many tiles' worth wait; then they go
/// together, under no queue.
const WAITING_TILES: u64 = 3;

/// Whose answers to what a tile holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TileKey {
    pub(super) question: QuestionKey,
    /// Empty for calls that named none.
    pub(super) agent: String,
}

/// Answers that one figure may be made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct QuestionKey {
    pub(super) origin: Origin,
    pub(super) survey: Option<SurveyId>,
    pub(super) question: QuestionId,
    /// [`ASKED`] where it is counted how many were asked.
    pub(super) kind: &'static str,
    pub(super) scale: Option<Scale>,
}

/// In the place of a kind of question: what is counted are the calls that heard it, with no value.
pub(super) const ASKED: &str = "asked";

impl QuestionKey {
    /// Under which it is counted how many were asked.
    pub(super) fn asked(&self) -> Self {
        Self { kind: ASKED, scale: None, ..self.clone() }
    }
}

/// Answers that wait: how often each value came through each queue.
pub(super) type Waiting = BTreeMap<(String, String), u64>;

/// A full tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    /// The queue that all its answers came through; `None` when they came through several.
    pub(super) queue: Option<String>,
    /// How often each value was answered.
    pub(super) counts: BTreeMap<String, u64>,
}

/// All answers that wait, by what they wait for.
pub(super) type AllWaiting = HashMap<TileKey, Waiting>;

/// The queue of answers whose group came through several. No queue has this name.
pub(super) const SEVERAL: &str = "\n";

/// Adds the answers of a full group; gives the tile that they made full.
pub(super) fn add(
    waiting: &mut Waiting,
    queue: &str,
    answers: BTreeMap<String, u64>,
    size: u64,
) -> Option<Tile> {
    for (value, n) in answers {
        *waiting.entry((queue.to_owned(), value)).or_default() += n;
    }
    let of_queue: u64 = waiting.iter().filter(|((q, _), _)| q == queue).map(|(_, n)| n).sum();
    if of_queue >= size {
        return Some(Tile { queue: named(queue), counts: take(waiting, Some(queue)) });
    }
    let enough = waiting.values().sum::<u64>() >= WAITING_TILES * size;
    enough.then(|| Tile { queue: None, counts: take(waiting, None) })
}

/// Takes what waits of one queue, or all.
pub(super) fn take(waiting: &mut Waiting, queue: Option<&str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    waiting.retain(|(of, value), n| {
        let taken = queue.is_none_or(|queue| queue == of);
        if taken {
            *counts.entry(value.clone()).or_default() += *n;
        }
        !taken
    });
    counts
}

fn named(queue: &str) -> Option<String> {
    (queue != SEVERAL).then(|| queue.to_owned())
}

/// How many answers make a tile of this origin. No customer gave a mystery or a trial call's answers.
pub(super) fn size_for(origin: Origin, cell_min: u64) -> u64 {
    match origin {
        Origin::Sampled | Origin::Agent => cell_min,
        Origin::Mystery | Origin::Test => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(value: &str) -> BTreeMap<String, u64> {
        [(value.to_owned(), 1)].into()
    }

    proptest! {
        #[test]
        fn every_answer_is_in_one_tile_or_waits(
            answers in proptest::collection::vec(("[abcdefg]", "[1-5]"), 0..200), size in 5u64..9,
        ) {
            let (mut waiting, mut tiles) = (Waiting::new(), Vec::new());
            for (queue, value) in &answers {
                tiles.extend(add(&mut waiting, queue, one(value), size));
                prop_assert!(waiting.values().sum::<u64>() < WAITING_TILES * size);
            }
            let shown: u64 = tiles.iter().flat_map(|tile| tile.counts.values()).sum();
            prop_assert_eq!(shown + waiting.values().sum::<u64>(), answers.len() as u64);
            for tile in tiles {
                prop_assert!(tile.counts.values().sum::<u64>() >= size);
            }
        }
    }

    #[test]
    fn a_tile_keeps_its_queue_where_it_can() {
        let add = |waiting: &mut Waiting, queue, value, size| add(waiting, queue, one(value), size);
        let mut waiting = Waiting::new();
        for _ in 0..4 {
            assert_eq!(add(&mut waiting, "a", "5", 5), None);
            assert_eq!(add(&mut waiting, "b", "1", 5), None);
        }
        let tile = add(&mut waiting, "a", "4", 5).unwrap();
        assert_eq!(tile, Tile { queue: Some("a".into()), counts: [("4".into(), 1), ("5".into(), 4)].into() });
        for queue in ["c", "d", "e"] {
            for _ in 0..3 {
                add(&mut waiting, queue, "3", 5);
            }
        }
        assert_eq!(waiting.values().sum::<u64>(), 13);
        assert_eq!(add(&mut waiting, "f", "3", 5), None);
        assert_eq!(add(&mut waiting, "g", "3", 5).unwrap().queue, None);
        assert_eq!(super::add(&mut waiting, SEVERAL, [("3".to_owned(), 7)].into(), 5).unwrap().queue, None);
    }
}
