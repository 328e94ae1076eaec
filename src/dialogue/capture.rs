//! What one key means to one question.

use crate::domain::{AnswerValue, Digit};

use super::survey::{Answers, Question};

/// The meaning of a first key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It is the answer.
    Answer(AnswerValue),
    /// It is a one, or the beginning of ten.
    OneOrTen,
    /// Put the question again.
    Repeat,
    /// The caller declines.
    Refuse,
    /// The end of a comment, or none at all.
    Finish,
    /// No input at all: `#` with nothing to end, or a key that telephones do not have (`A`-`D`).
    Nothing,
    /// A key that is not on offer.
    Wrong,
}

/// Reads the first key to a question.
pub(super) fn read_key(question: &Question, digit: Digit) -> Reading {
    if question.refuse_key == Some(digit) {
        return Reading::Refuse;
    }
    match (digit.as_char(), &question.answers) {
        ('*', _) => return Reading::Repeat,
        ('#', Answers::Comment { .. }) => return Reading::Finish,
        ('#' | 'A'..='D', _) => return Reading::Nothing,
        _ => {}
    }
    let answer = match &question.answers {
        Answers::Rating { scale, .. } => {
            let number = digit.number().map(i16::from).filter(|&n| scale.holds(n));
            if number == Some(1) && scale.max == 10 {
                return Reading::OneOrTen;
            }
            number.map(AnswerValue::Rating)
        }
        Answers::YesNo => match digit.as_char() {
            '1' => Some(AnswerValue::YesNo(true)),
            '2' => Some(AnswerValue::YesNo(false)),
            _ => None,
        },
        Answers::Comment { .. } => {
            return Reading::Nothing; // Pressed by a cheek, while they speak.
        }
        Answers::Menu(choices) => {
            choices.iter().find(|c| c.key == digit).map(|c| AnswerValue::Choice(c.label.clone()))
        }
    };
    answer.map_or(Reading::Wrong, Reading::Answer)
}

/// Reads the key after a `1` on a scale up to ten: the number, and whether two readings were possible.
///
/// `0` makes ten and `#` says that the one was meant. Any other key is no part of an answer; the one is taken and
/// marked, and the key is used up, so that it cannot answer a question that the caller has not heard.
pub(super) fn read_second_key(digit: Digit) -> (i16, bool) {
    match digit.as_char() {
        '0' => (10, false),
        '#' => (1, false),
        _ => (1, true),
    }
}
