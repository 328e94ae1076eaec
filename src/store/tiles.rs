//! Answers put together for showing: a tile is full with so many answers about one agent, counts as a whole from then
//! on, and never changes. [`super::rules`] says why.

use std::collections::{BTreeMap, HashMap};

use crate::domain::{Origin, QuestionId, Scale, SurveyId};

/// An agent's answers to one question wait for a tile of one queue until this many tiles' worth wait; then they go
/// together, under no queue.
pub(super) const WAITING_TILES: u64 = 3;

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
    pub(super) kind: &'static str,
    pub(super) scale: Option<Scale>,
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

/// Adds one answer; gives the tile that it made full.
pub(super) fn add(waiting: &mut Waiting, queue: &str, value: &str, size: u64) -> Option<Tile> {
    *waiting.entry((queue.to_owned(), value.to_owned())).or_default() += 1;
    let of_queue: u64 = waiting.iter().filter(|((q, _), _)| q == queue).map(|(_, n)| n).sum();
    if of_queue >= size {
        return Some(take(waiting, Some(queue)));
    }
    (waiting.values().sum::<u64>() >= WAITING_TILES * size).then(|| take(waiting, None))
}

fn take(waiting: &mut Waiting, queue: Option<&str>) -> Tile {
    let mut counts = BTreeMap::new();
    waiting.retain(|(of, value), n| {
        let taken = queue.is_none_or(|queue| queue == of);
        if taken {
            *counts.entry(value.clone()).or_default() += *n;
        }
        !taken
    });
    Tile { queue: queue.map(str::to_owned), counts }
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

    proptest! {
        #[test]
        fn every_answer_is_in_one_tile_or_waits(
            answers in proptest::collection::vec(("[abcdefg]", "[1-5]"), 0..200), size in 5u64..9,
        ) {
            let (mut waiting, mut tiles) = (Waiting::new(), Vec::new());
            for (queue, value) in &answers {
                tiles.extend(add(&mut waiting, queue, value, size));
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
    }
}
