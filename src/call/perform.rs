//! One action of the conversation to one command.

use super::driver::{Driver, entry};
use super::tell;
use crate::dialogue::{Action, Actions};
use crate::domain::{Entry, Fact, Language, PlayId, PromptName};
use crate::media::Times;
use crate::sip::SipCommand;
use crate::store::{Batch, Comment, StoreError};
use tracing::error;

/// Performs actions in their order. Facts are on disk before a prompt that follows them begins, so that a caller who
/// hears the next question can rely on it.
///
/// # Errors
/// Facts could not be written; the actions after them were not performed.
pub(super) async fn all(driver: &mut Driver<'_>, actions: Actions) -> Result<(), StoreError> {
    let mut facts = Vec::new();
    for action in actions {
        match action {
            Action::Record(fact) => facts.push(entry(driver.id, fact)),
            Action::StopPlaying => {
                if let Some(leg) = &driver.leg {
                    leg.stop();
                }
            }
            Action::Play { id, language, prompts } => {
                write(driver, &mut facts).await?;
                play(driver, id, &language, &prompts);
            }
            Action::HangUp => {
                write(driver, &mut facts).await?;
                driver
                    .parts
                    .sip
                    .send(driver.key, SipCommand::HangUp { cause: 200, text: "survey over" })
                    .await;
            }
            Action::Listen { id, listen } => {
                write(driver, &mut facts).await?;
                driver.listen(id, listen);
            }
            Action::StopListening => driver.stop_listening(),
            Action::FinishListening => driver.finish_listening(),
            Action::End(outcome) => driver.outcome = Some(outcome),
        }
    }
    write(driver, &mut facts).await
}

async fn write(driver: &mut Driver<'_>, facts: &mut Vec<Entry>) -> Result<(), StoreError> {
    if facts.is_empty() {
        return Ok(());
    }
    let entries = std::mem::take(facts);
    let key =
        driver.key_of_response.clone().filter(|_| entries.iter().any(|entry| names_recording(&entry.fact)));
    let changes = tell::changes(driver, &entries);
    let batch = Batch { entries, key, changes, ..Batch::default() };
    let comments = batch.entries.iter().filter_map(comment_of).collect::<Vec<_>>();
    driver
        .parts
        .store
        .append(batch)
        .await
        .inspect_err(|error| error!("An answer could not be stored: {error}"))?;
    driver.comments.extend(comments);
    Ok(())
}

fn comment_of(entry: &Entry) -> Option<Comment> {
    match &entry.fact {
        Fact::Comment { recording, language, .. } => Some(Comment {
            call: entry.call,
            recording: *recording,
            language: language.clone(),
            tried_without_model: false,
        }),
        _ => None,
    }
}

fn names_recording(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Comment { .. } | Fact::Heard { recording: Some(_), .. } | Fact::Deaf { recording: Some(_), .. }
    )
}

fn play(driver: &Driver<'_>, id: PlayId, language: &Language, names: &[PromptName]) {
    let Some(leg) = &driver.leg else { return };
    let prompts: Vec<_> =
        names.iter().filter_map(|name| driver.prompts.get(language, name.as_str())).collect();
    if prompts.len() < names.len() {
        error!("A prompt is missing that was there when the survey was checked");
    }
    leg.play(id, prompts, Times::Once);
}
