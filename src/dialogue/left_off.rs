//! Whether a response was complete where its call broke off. Pure: facts in.

use super::survey::{AfterAttempts, Answers, Question, Survey};
use crate::domain::{AnswerValue, Fact, QuestionId, SkipReason};

/// Whether a response to which this happened is complete, were its caller to hang up now: what
/// [`Dialogue`](super::Dialogue) would say, for a call whose dialogue is gone and whose facts are left. Never for the two
/// measuring forms, whose calls leave nothing to tell it by.
#[must_use]
pub fn complete_so_far<'a>(survey: &Survey, facts: impl Iterator<Item = &'a Fact>) -> bool {
    let facts: Vec<&Fact> = facts.collect();
    let answers: Vec<_> = facts.iter().filter_map(|fact| answer(fact)).collect();
    let responded = !answers.is_empty() || facts.iter().any(|fact| commented(fact).is_some());
    let done = |question: &Question| {
        let due = question.is_due(&answers);
        !due || facts.iter().any(|fact| closes(fact, question))
    };
    responded && survey.questions().iter().all(done)
}

fn answer(fact: &Fact) -> Option<(QuestionId, AnswerValue)> {
    match fact {
        Fact::Answer(answer) => Some((answer.question.clone(), answer.value.clone())),
        _ => None,
    }
}

/// The question to which this is, or was, a comment.
fn commented(fact: &Fact) -> Option<&QuestionId> {
    match fact {
        Fact::Comment { question, .. } => Some(question),
        Fact::Erased { was, question } if was == "comment" => question.as_ref(),
        _ => None,
    }
}

/// Whether a question is behind the caller with this, and nothing is missing.
fn closes(fact: &Fact, question: &Question) -> bool {
    match fact {
        Fact::Answer(answer) => answer.question == question.id,
        Fact::Skipped { question: skipped, reason } => {
            *skipped == question.id
                && match reason {
                    SkipReason::When => true,
                    SkipReason::Attempts => question.after_attempts == AfterAttempts::Skip,
                    SkipReason::Caller => matches!(question.answers, Answers::Comment { .. }),
                    SkipReason::Refused => false,
                }
        }
        _ => commented(fact) == Some(&question.id),
    }
}
