//! `aftercall speech rescore`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use comfy_table::Table;
use jiff::Timestamp;

use super::{Hearers, Wanted};
use crate::cli::Global;
use crate::config::{self, StoreConfig};
use crate::dialogue::{Form, Survey, Voice};
use crate::domain::{Entry, Fact, Hearing, Language, Thresholds};
use crate::speech::grammar::Grammars;
use crate::speech::{Recognisers as _, session};
use crate::store::{Batch, Kept, Privacy, Store, Vault};
use crate::story::meant;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The answers stay as they were taken; with --write each new reading is put beside the old one, which \
                        needs the service to be stopped.\nExit codes: 0 done, 3 there is nothing to hear with, or the data cannot be \
                        read."
)]
pub(super) struct Args {
    /// The grammar to hear with, instead of the one that was used.
    #[arg(long)]
    grammar: Option<String>,
    /// The model to hear with, by its name in the file of models, instead of the first that is there.
    #[arg(long)]
    model: Option<String>,
    /// Only this question.
    #[arg(long)]
    question: Option<String>,
    /// List so many of the calls whose reading differs.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Put the new readings into the journal.
    #[arg(long)]
    write: bool,
}

/// Hears kept audio again and shows what would change.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let config = config::read(&global.config)?;
    let wanted = args.model.as_deref().map_or(Wanted::All, Wanted::Model);
    let Some(Hearers { pool, grammars }) = super::hearers(global, wanted, super::Limits::Patient).await?
    else {
        return Ok(ExitCode::from(3));
    };
    if let Some(grammar) = &args.grammar {
        let known = pool.state().iter().any(|state| knows(&grammars, &state.language, grammar));
        anyhow::ensure!(known, "there is no grammar {grammar} in any language that can be heard");
    }
    // Held until all is written: nothing is heard in vain because the service runs.
    let store = if args.write { Some(writer(&config.store, global).await?) } else { None };
    let surveys = match config::load(&global.config) {
        Ok(live) => live.surveys,
        Err(error) => {
            eprintln!(
                "aftercall speech rescore: the thresholds of the models count, as the surveys are faulty: {error}"
            );
            crate::dialogue::SurveySet::default()
        }
    };

    let views = crate::cli::open_views(global).await?;
    let privacy =
        Privacy::load_or_create(&global.data.join(&config.store.secret_file)).context("the secret")?;
    let vault = Vault::new(views, privacy, &global.data);
    let kept = vault.kept().await?;
    let wanted =
        |kept: &&Kept| args.question.as_ref().is_none_or(|question| kept.question.as_str() == question);
    let mut readings = Vec::new();
    let (mut gone, mut unheard) = (0, BTreeMap::<String, u32>::new());
    for kept in kept.iter().filter(wanted) {
        let Some(samples) = vault.recording(kept.call, kept.recording).await? else {
            gone += 1;
            continue;
        };
        let survey = kept.survey.as_ref().and_then(|survey| surveys.get(survey));
        let way = match way(kept, survey.map(AsRef::as_ref), args.grammar.as_deref()) {
            Some(way) if pool.model(&way.language).is_none() => Err(format!("no model for {}", way.language)),
            Some(way) if !knows(&grammars, &way.language, way.grammar) => {
                Err(format!("no grammar {} in {}", way.grammar, way.language))
            }
            Some(way) => Ok(way),
            None => Err("no language or grammar is known".to_owned()),
        };
        let heard = match way {
            Ok(Way { language, grammar, thresholds }) => {
                session::hear(pool.as_ref(), &grammars, &language, grammar, thresholds, &samples)
                    .await
                    .map_err(|why| why.to_string())
            }
            Err(why) => Err(why),
        };
        match heard {
            Ok(hearing) => readings.push((kept, hearing)),
            Err(why) => *unheard.entry(why).or_default() += 1,
        }
    }
    println!("{}", table(&readings));
    print!("{}", calls(&readings, args.limit));
    let changed = readings.iter().filter(|(kept, new)| differs(kept, new)).count();
    println!("{} readings, {changed} of them different; {gone} recordings are erased", readings.len());
    for (why, n) in unheard {
        println!("{n} recordings were passed over: {why}");
    }
    if let Some(store) = store {
        write(store, &readings).await?;
        println!("{} readings written beside the old ones", readings.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// How a recording is to be heard.
#[derive(Debug, PartialEq, Eq)]
struct Way<'a> {
    language: Language,
    grammar: &'a str,
    /// The question's own.
    thresholds: Option<Thresholds>,
}

/// As at that time; what nobody could hear then, as its question is now.
fn way<'a>(kept: &'a Kept, survey: Option<&'a Survey>, grammar: Option<&'a str>) -> Option<Way<'a>> {
    let voice = survey.and_then(|survey| voice(survey, kept));
    let hearing = kept.hearing.as_ref();
    let language = hearing.map(|hearing| &hearing.language).or(kept.language.as_ref());
    let language = language.or_else(|| survey?.languages.first())?.clone();
    let grammar = grammar.or(hearing.map(|hearing| hearing.grammar.as_str()));
    let grammar = grammar.or(voice.map(|voice| voice.grammar.as_str()))?;
    Some(Way { language, grammar, thresholds: voice.and_then(|voice| voice.thresholds) })
}

fn voice<'a>(survey: &'a Survey, kept: &Kept) -> Option<&'a Voice> {
    let Form::Questions(form) = &survey.form else { return None };
    form.questions.iter().find(|question| question.id == kept.question)?.voice.as_ref()
}

fn knows(grammars: &Grammars, language: &Language, grammar: &str) -> bool {
    grammars.phrases(language, grammar).next().is_some()
}

/// What a hearing comes to.
fn read(hearing: Option<&Hearing>) -> String {
    let Some(hearing) = hearing else { return "not heard".to_owned() };
    match &hearing.meaning {
        Some(meaning) => format!("{} {}", hearing.verdict.as_str(), meant(meaning)),
        None => hearing.verdict.as_str().to_owned(),
    }
}

fn differs(kept: &Kept, new: &Hearing) -> bool {
    read(kept.hearing.as_ref()) != read(Some(new))
}

/// How often each reading became each other one.
fn table(readings: &[(&Kept, Hearing)]) -> Table {
    let mut changes: BTreeMap<(String, String, String), u32> = BTreeMap::new();
    for (kept, new) in readings {
        let change = (kept.question.to_string(), read(kept.hearing.as_ref()), read(Some(new)));
        *changes.entry(change).or_default() += 1;
    }
    let mut table = Table::new();
    table.set_header(["question", "was", "is", "n"]);
    for ((question, was, is), n) in changes {
        table.add_row([question, was, is, n.to_string()]);
    }
    table
}

/// The calls whose reading differs, one a line, and how many more there are.
fn calls(readings: &[(&Kept, Hearing)], limit: usize) -> String {
    let different: Vec<_> = readings.iter().filter(|(kept, new)| differs(kept, new)).collect();
    let line = |(kept, new): &&(&Kept, Hearing)| {
        let (was, is) = (read(kept.hearing.as_ref()), read(Some(new)));
        format!("{} {}: {was} -> {is}\n", kept.call, kept.question)
    };
    let mut text: String = different.iter().take(limit).map(line).collect();
    if different.len() > limit {
        text +=
            &format!("and {} more: --limit {} lists them all\n", different.len() - limit, different.len());
    }
    text
}

async fn writer(config: &StoreConfig, global: &Global) -> anyhow::Result<Arc<Store>> {
    let (store, _orphans) = Store::open(config, &global.data).await.context("the database, for writing")?;
    Ok(Arc::new(store))
}

async fn write(store: Arc<Store>, readings: &[(&Kept, Hearing)]) -> anyhow::Result<()> {
    for (kept, hearing) in readings {
        let fact = Fact::Reread {
            question: kept.question.clone(),
            recording: kept.recording,
            hearing: Box::new(hearing.clone()),
        };
        let at_us = Timestamp::now().as_microsecond();
        let entries = vec![Entry { call: kept.call, at_us, fact }];
        store.append(Batch { entries, ..Batch::default() }).await?;
    }
    store.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use uuid::Uuid;

    use super::*;
    use crate::domain::{CallId, RecordingId};

    #[test]
    fn what_was_set_aside_is_heard_as_its_question_says() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/aftercall.toml");
        let live = config::load(&file).unwrap();
        let mut survey = live.surveys.get(&"service".parse().unwrap()).unwrap().as_ref().clone();
        let Form::Questions(form) = &mut survey.form else { panic!("it asks") };
        let question = form.questions.iter_mut().find(|question| question.voice.is_some()).unwrap();
        let own = Some(Thresholds { accept_pm: 990, confirm_pm: 980 });
        let voice = question.voice.as_mut().unwrap();
        voice.thresholds = own;
        let (grammar, question) = (voice.grammar.clone(), question.id.clone());
        let mut kept = Kept {
            call: CallId(Uuid::nil()),
            question,
            recording: RecordingId(Uuid::nil()),
            survey: Some(survey.id.clone()),
            language: Some("nl".parse().unwrap()),
            hearing: None,
        };
        let way_of = |kept: &Kept, grammar: Option<&str>| {
            let way = way(kept, Some(&survey), grammar)?;
            Some((way.language.to_string(), way.grammar.to_owned(), way.thresholds))
        };
        assert_eq!(way_of(&kept, None), Some(("nl".into(), grammar.clone(), own)));
        assert_eq!(way_of(&kept, Some("yes_no")), Some(("nl".into(), "yes_no".into(), own)));
        kept.language = None;
        assert_eq!(way_of(&kept, None), Some((survey.languages[0].to_string(), grammar, own)));
        assert_eq!(way(&kept, None, None), None, "nothing is known of it");

        let new = Hearing::of_silence("", "en".parse().unwrap(), String::new());
        let readings = vec![(&kept, new.clone()), (&kept, new.clone()), (&kept, new)];
        let text = calls(&readings, 2);
        assert_eq!(
            text.lines().filter(|line| line.ends_with(": not heard -> no_match")).count(),
            2,
            "{text}"
        );
        assert!(text.ends_with("and 1 more: --limit 3 lists them all\n"), "{text}");
    }
}
