//! Scales of numbers, with their range and direction.

use serde::{Deserialize, Serialize};

/// Which end of a scale is the good one for the contact centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Better {
    /// A higher number is better, as with satisfaction.
    #[serde(rename = "higher_is_better")]
    Higher,
    /// A lower number is better, as with effort.
    #[serde(rename = "lower_is_better")]
    Lower,
}

/// A scale of whole numbers. Two answers may be averaged only when their scales are equal, direction included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scale {
    /// Lowest number.
    pub min: i16,
    /// Highest number.
    pub max: i16,
    /// Which end is the good one.
    pub better: Better,
}

impl Scale {
    /// The scale of the net promoter score: 0-10, higher is better.
    pub const NPS: Self = Self { min: 0, max: 10, better: Better::Higher };

    /// Whether the number lies on the scale.
    #[must_use]
    pub fn holds(&self, value: i16) -> bool {
        (self.min..=self.max).contains(&value)
    }
}
