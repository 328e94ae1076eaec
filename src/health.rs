//! `/healthz`, `/readyz` and `/metrics` on a loopback listener. Speech that is missing makes the service no less ready:
//! callers have their keys.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::config::Live;
use crate::dialogue::{Form, Survey};
use crate::domain::Language;
use crate::speech::frame::Confined;
use crate::speech::installed::{self, Installed, NoSpeech};
use crate::speech::pool::LanguageState;
use crate::speech::{Pool, check};
use crate::store::Head;
use crate::web::Listener;

/// Whether new calls are taken, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Calls are taken.
    Ready,
    /// They are refused with 503, for this reason.
    NotReady(&'static str),
}

/// Who hears callers, and if nobody does, why.
#[derive(Clone)]
pub struct Ears {
    /// The recogniser processes.
    pub pool: Arc<Pool>,
    /// Why there are none.
    none: Option<NoSpeech>,
    /// The languages in which surveys would hear callers and nobody does, each with its reason.
    unheard: Arc<BTreeMap<Language, Unheard>>,
    /// All languages of surveys with `[voice]`.
    spoken: Arc<BTreeSet<Language>>,
}

/// Why a language goes by keypad only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Unheard {
    #[error("no model; `aftercall speech fetch {0}` gets one")]
    NoModel(Language),
    #[error("its model does not work; `aftercall speech check` says why")]
    Unfit,
    #[error("no question has a grammar in it")]
    NoGrammar,
}

/// The languages of surveys with `[voice]`, and whether a question has a grammar in them.
pub(crate) fn spoken<'a>(surveys: impl Iterator<Item = &'a Survey>) -> BTreeMap<Language, bool> {
    let mut languages = BTreeMap::new();
    for survey in surveys {
        let Form::Questions(form) = &survey.form else { continue };
        if form.voice.is_none() {
            continue;
        }
        let voices = || form.questions.iter().filter_map(|question| question.voice.as_ref());
        for language in &survey.languages {
            let has = voices().any(|voice| voice.languages.contains(language));
            *languages.entry(language.clone()).or_default() |= has;
        }
    }
    languages
}

/// Those of them that nobody hears: `there` are the languages with a model, `fit` those whose model works.
fn unheard(
    spoken: &BTreeMap<Language, bool>,
    there: &BTreeSet<Language>,
    fit: &BTreeSet<Language>,
) -> BTreeMap<Language, Unheard> {
    let why = |(language, has): (&Language, &bool)| {
        let why = match (has, there.contains(language), fit.contains(language)) {
            (false, ..) => Unheard::NoGrammar,
            (true, _, true) => return None,
            (true, true, false) => Unheard::Unfit,
            (true, false, false) => Unheard::NoModel(language.clone()),
        };
        Some((language.clone(), why))
    };
    spoken.iter().filter_map(why).collect()
}

impl Ears {
    /// Tries the models that the configuration and the data folder have, each in a process of its own, and starts the
    /// recognisers of those that work; without any, the service runs by keypad only, and says so.
    #[must_use]
    pub async fn open(live: &Live, data: &Path) -> Self {
        let config = live.config.speech.clone();
        let languages = |models: &[Installed]| -> BTreeSet<Language> {
            models.iter().map(|one| one.model.language.clone()).collect()
        };
        let (mut there, mut working) = (BTreeSet::new(), BTreeSet::new());
        let (pool, none) = match installed::installed(&config, &live.speech_models, data) {
            Ok(found) => {
                there = languages(&found);
                let (tried, grammars) = (config.clone(), Arc::clone(&live.grammars));
                let tests = tokio::task::spawn_blocking(move || check::fit(&tried, found, &grammars));
                let found = tests.await.unwrap_or_default();
                working = languages(&found);
                let none = found.is_empty().then_some(NoSpeech::Unfit);
                (Pool::start(&config, &found), none)
            }
            Err(none) => (Pool::silent(), Some(none)),
        };
        match &none {
            Some(NoSpeech::Off) | None => {}
            Some(none) => tracing::warn!("Keypad only: {none}"),
        }
        gauge!("aftercall_speech_keypad_only").set(if none.is_some() { 1.0 } else { 0.0 });
        let spoken = spoken(live.surveys.iter().map(AsRef::as_ref));
        let unheard = unheard(&spoken, &there, &working);
        if none.is_none() {
            for (language, why) in &unheard {
                tracing::warn!(%language, "Surveys in {language} go by keypad only: {why}");
            }
        }
        let spoken = Arc::new(spoken.into_keys().collect());
        Self { pool: Arc::new(pool), none, unheard: Arc::new(unheard), spoken }
    }

    /// Brings the gauges up to date.
    fn measure(&self) {
        let state = self.pool.state();
        for language in self.spoken.iter() {
            let heard = !self.unheard.contains_key(language)
                && state.iter().any(|state| state.language == *language && state.is_ready());
            gauge!("aftercall_speech_language_keypad_only", "language" => language.to_string())
                .set(if heard { 0.0 } else { 1.0 });
        }
    }

    /// Why nobody is heard at all; `None` when somebody is.
    #[must_use]
    pub fn none(&self) -> Option<&NoSpeech> {
        self.none.as_ref()
    }

    /// One line for each language, or why there is none.
    fn tell(&self) -> String {
        if let Some(none) = &self.none {
            return format!("speech: keypad only: {none}\n");
        }
        let line = |state: LanguageState| {
            let now = if state.is_ready() { "ready" } else { "not ready, keypad only" };
            format!("speech: {} {now} ({})\n", state.language, state.model)
        };
        let silent =
            self.unheard.iter().map(|(language, why)| format!("speech: {language} keypad only: {why}\n"));
        let open = self.pool.cage().and_then(Confined::not_held);
        let open = open.map(|open| format!("speech: recognisers are not confined: {open}\n"));
        self.pool.state().into_iter().map(line).chain(silent).chain(open).collect()
    }
}

/// Connections to these pages at once; further ones are closed, so that they cannot use up the sockets that calls need.
const CONNECTIONS_MAX: usize = 50;

#[derive(Clone)]
struct Pages {
    ears: Ears,
    metrics: Arc<PrometheusHandle>,
    ready: watch::Receiver<Readiness>,
    audit: watch::Receiver<Head>,
}

/// Serves the pages until the task is dropped.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    metrics: PrometheusHandle,
    ready: watch::Receiver<Readiness>,
    ears: Ears,
    audit: watch::Receiver<Head>,
) -> std::io::Result<(SocketAddr, tokio::task::JoinHandle<()>)> {
    let pages = Pages { ears, metrics: Arc::new(metrics), ready, audit };
    let router = Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(pages);
    let listener = Listener::plain(address, CONNECTIONS_MAX)?;
    let bound = listener.address()?;
    let task = tokio::spawn(async move {
        if let Err(error) = listener.serve(router).await {
            tracing::error!("The health pages stopped: {error}");
        }
    });
    Ok((bound, task))
}

async fn readyz(State(pages): State<Pages>) -> impl IntoResponse {
    let speech = pages.ears.tell();
    match &*pages.ready.borrow() {
        Readiness::Ready => (StatusCode::OK, format!("ready\n{speech}")),
        Readiness::NotReady(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n{speech}")),
    }
}

async fn render(State(pages): State<Pages>) -> impl IntoResponse {
    pages.ears.measure();
    let audit = head_as_metric(&pages.audit.borrow());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], pages.metrics.render() + &audit)
}

/// The end of the audit log: whoever collects metrics keeps it where nobody here can change it. It is no gauge of the
/// others, of which one would stay behind for each hash that ever was.
fn head_as_metric(head: &Head) -> String {
    format!(
        "# HELP aftercall_audit_head_info The last line of the audit log and its hash, for audit verify --head.\n\
         # TYPE aftercall_audit_head_info gauge\naftercall_audit_head_info{{line=\"{}\",hash=\"{}\"}} 1\n",
        head.seq, head.hash
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_of_a_spoken_survey_is_heard_or_says_why() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/aftercall.toml");
        let live = crate::config::load(&file).unwrap();
        let all = spoken(live.surveys.iter().map(AsRef::as_ref));
        let tongue = |name: &str| name.parse::<Language>().unwrap();
        let set = |names: &[&str]| names.iter().map(|name| tongue(name)).collect::<BTreeSet<_>>();
        assert!(all[&tongue("en")] && all[&tongue("nl")], "{all:?}");
        let english = unheard(&all, &set(&["en"]), &set(&["en"]));
        assert_eq!(
            (english.get(&tongue("en")), english.get(&tongue("nl"))),
            (None, Some(&Unheard::NoModel(tongue("nl"))))
        );
        let broken = unheard(&all, &set(&["en", "nl"]), &set(&["en"]));
        assert_eq!(broken.get(&tongue("nl")), Some(&Unheard::Unfit));
        let mute = BTreeMap::from([(tongue("fr"), false)]);
        assert_eq!(unheard(&mute, &set(&["fr"]), &set(&["fr"]))[&tongue("fr")], Unheard::NoGrammar);

        let mut keys_only = live.surveys.iter().next().unwrap().as_ref().clone();
        let Form::Questions(form) = &mut keys_only.form else { return };
        form.voice = None;
        assert!(spoken([&keys_only].into_iter()).is_empty());
    }
}
