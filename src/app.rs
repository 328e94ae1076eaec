//! Builds every part, joins them with bounded channels, and takes them down in order.

mod background;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use metrics::gauge;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use background::Background;

use crate::access::Access;
use crate::call::{self, Parts, Shared, transcribe};
use crate::config::{self, Live};
use crate::domain::{CallerNumber, SurveyId, SurveyVersion};
use crate::health::{self, Ears, Readiness};
use crate::media::MediaEngine;
use crate::selection::{Lists, Selector};
use crate::sip::{CallSignals, Closed, Endpoint};
use crate::speech::Recognisers;
use crate::store::{Change, Head, Health, Store, Tidy, retention};
use crate::web::{self, WebState};
use crate::{observe, outgoing};

/// How often the disk is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// How often what is old is erased.
const ERASE_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How often the end of the audit log is told.
const TELL_AUDIT_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How often what was said ahead of calls is looked through.
const END_WAITING_EVERY: Duration = Duration::from_secs(1);
/// How often its rows are.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// What a second SIGTERM leaves for goodbyes.
const GOODBYE_MAX: Duration = Duration::from_secs(15);

/// Runs the service until it is told to stop.
///
/// # Errors
/// Whatever keeps it from starting, in words for the operator.
pub async fn serve(file: PathBuf, data: PathBuf) -> anyhow::Result<()> {
    let live = config::load(&file)?;
    observe::start_log(&live.config.log).map_err(anyhow::Error::msg)?;
    for warning in &live.warnings {
        warn!("{warning}");
    }
    for warning in live.config.web.warnings() {
        warn!("{warning}");
    }
    let metrics = observe::start_metrics().context("metrics")?;
    let (mut service, incoming) = Service::start(live, &data).await?;
    let behind = service.behind.handle().clone();
    let mut page = None;
    if let Some(address) = service.parts.live.load().config.http.listen {
        let (ready, audit) = (service.ready.subscribe(), service.parts.store.audit_head());
        let pages = health::serve(address, metrics.clone(), ready, service.ears.clone(), audit);
        let bound = service.behind.run(pages).await;
        let (bound, task) = bound.with_context(|| format!("cannot serve health pages on {address}"))?;
        info!("Health pages on {bound}");
        page = Some(task);
    }
    let mut web = None;
    if let Some(address) = service.parts.live.load().config.web.listen {
        let (parts, ears, metrics) = (Arc::clone(&service.parts), service.ears.clone(), metrics.clone());
        let started = service.behind.run(async move {
            let access = Access::open(&data).await.context("the access database")?;
            let state = WebState::new(parts, ears, access, metrics).context("[web.oidc]")?;
            web::serve(address, state).await.with_context(|| format!("[web] cannot listen on {address}"))
        });
        let (bound, task) = started.await?;
        let scheme = if service.parts.live.load().config.web.tls.is_some() { "https" } else { "http" };
        info!("The dashboard is on {scheme}://{bound}/, the API on {scheme}://{bound}/api/docs");
        web = Some(task);
    }
    info!("Ready for calls");
    // Outside systemd there is nobody to tell.
    let told = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracing::debug!("Told the service manager: {}", told.is_ok());
    let upkeep = behind.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            metrics.run_upkeep();
        }
    });
    service.upkeep.spawn_on(erase_by_age(Arc::clone(&service.parts)), &behind);
    service.upkeep.spawn_on(end_waiting(Arc::clone(&service.parts)), &behind);
    service.upkeep.spawn_on(tell_audit_head(service.parts.store.audit_head()), &behind);
    let store = service.parts.store.clone();
    service.upkeep.spawn_on(async move { store.run_errands().await }, &behind);
    service.upkeep.spawn_on(outgoing::run(Arc::clone(&service.parts)), &behind);
    let outcome = service.run(incoming, &file).await;
    upkeep.abort();
    for task in page.into_iter().chain(web) {
        task.abort();
    }
    outcome
}

/// Erases at the start and once a day what the policy keeps no longer.
async fn erase_by_age(parts: Shared) {
    loop {
        let policy = parts.live.load().config.policy.clone();
        match retention::run_once(&parts.store, &policy, Timestamp::now()).await {
            Ok(Some((erased, _))) => info!("Erased by age: {erased:?}"),
            Ok(None) => {}
            Err(error) => error!("Erasing by age failed, and is tried again tomorrow: {error}"),
        }
        tokio::time::sleep(ERASE_EVERY).await;
    }
}

/// Tells at the start and once a day how far the audit log has come: a log that is kept elsewhere then shows whether
/// lines were cut off here.
async fn tell_audit_head(head: watch::Receiver<Head>) {
    loop {
        let Head { seq, hash } = head.borrow().clone();
        if seq > 0 {
            info!("The audit log ends at line {seq} with the hash {hash}");
        }
        tokio::time::sleep(TELL_AUDIT_EVERY).await;
    }
}

/// Ends what was said ahead of calls and has waited long enough, and now and then removes its rows.
async fn end_waiting(parts: Shared) {
    let mut every = tokio::time::interval(END_WAITING_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut tidied: Option<Instant> = None;
    loop {
        every.tick().await;
        let now = Timestamp::now();
        let mut done = parts.store.end_waiting(now.as_microsecond()).await;
        if tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY) {
            let live = parts.live.load_full();
            let before = |age| {
                let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
                now.saturating_sub(age).map_or(i64::MIN, Timestamp::as_microsecond)
            };
            let tidy = Tidy {
                now_us: now.as_microsecond(),
                answers_before_us: before(live.config.api.keep_answers),
                messages_before_us: before(live.config.outgoing.keep),
                numbers_before_us: before(live.config.follow_up.keep_numbers),
            };
            done = done.and(parts.store.change(Change::Tidy(tidy), None).await);
            tidied = Some(Instant::now());
        }
        if let Err(error) = done {
            error!("What was said ahead of calls could not be tidied, and is tried again: {error}");
        }
    }
}

struct Service {
    parts: Shared,
    ready: watch::Sender<Readiness>,
    ears: Ears,
    ending: watch::Sender<bool>,
    endpoint: tokio::task::JoinHandle<()>,
    calls: JoinSet<()>,
    /// What no caller waits for runs there.
    behind: Background,
    /// What works on the database beside calls.
    upkeep: JoinSet<()>,
    health: Health,
    draining: bool,
}

impl Service {
    async fn start(live: Live, data: &Path) -> anyhow::Result<(Self, mpsc::Receiver<CallSignals>)> {
        let config = &live.config;
        let behind = Background::start().context("threads")?;
        let (store, orphans) = Store::open(&config.store, data).await.context("the database")?;
        call::close_all(&store, &live, &orphans).await.context("the database")?;
        store.set_cell_min(config.policy.cell_min).await.context("the database")?;
        let selector = selector(&store, &live).await?;
        let media = MediaEngine::start(&config.media).context("[media]")?;
        // Before the first INVITE can come: trying out the recognisers takes a second.
        let ears = Ears::open(&live, data).await;
        let recognisers: Arc<dyn Recognisers> = Arc::clone(&ears.pool) as _;
        let (endpoint, sip, incoming) = Endpoint::bind(&config.listener, &config.sip, &config.trunk)?;
        let endpoint = tokio::spawn(endpoint.run());
        if !orphans.is_empty() {
            warn!("Closed {} calls that an earlier run left open", orphans.len());
        }
        for trace in orphans.into_iter().filter_map(|orphan| orphan.dialog) {
            sip.end_orphan(trace).await;
        }
        let (ending, ending_rx) = watch::channel(false);
        let (ready, _) = watch::channel(Readiness::Ready);
        let (comments, waiting) = mpsc::channel(transcribe::WAITING_MAX);
        let key_words = config.speech.key_words.clone();
        let transcribing = transcribe::run(store.clone(), Arc::clone(&recognisers), key_words, waiting);
        behind.handle().spawn(transcribing);
        let parts = Parts {
            sip,
            media,
            store,
            recognisers,
            running: call::RunningCalls::default(),
            legs: call::Legs::default(),
            comments,
            selector: Mutex::new(selector),
            live: ArcSwap::from_pointee(live),
            ending: ending_rx,
        };
        let service = Self {
            parts: Arc::new(parts),
            ready,
            ears,
            ending,
            endpoint,
            calls: JoinSet::new(),
            behind,
            upkeep: JoinSet::new(),
            health: Health::Good,
            draining: false,
        };
        Ok((service, incoming))
    }

    async fn run(&mut self, mut incoming: mpsc::Receiver<CallSignals>, file: &Path) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut watch = tokio::time::interval(WATCH_EVERY);
        loop {
            tokio::select! {
                Some(signals) = incoming.recv() => {
                    self.calls.spawn(call::run(Arc::clone(&self.parts), signals));
                }
                Some(done) = self.calls.join_next() => report(done),
                ended = &mut self.endpoint => {
                    error!("Signalling has ended by itself, and so does the service: {ended:?}");
                    anyhow::bail!("signalling has ended by itself");
                }
                _ = watch.tick() => {
                    anyhow::ensure!(self.parts.media.is_well(), "a media thread has ended by itself");
                    self.watch_storage().await;
                }
                _ = hang_up.recv() => self.reload(file).await,
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        self.drain(&mut incoming, &mut terminate, &mut interrupt).await;
        self.endpoint.abort();
        self.upkeep.shutdown().await;
        self.parts.store.close().await;
        info!("Stopped");
        Ok(())
    }

    /// Refuses calls while their answers could not be kept, and takes them again by itself.
    async fn watch_storage(&mut self) {
        let health = self.parts.store.health();
        gauge!("aftercall_store_good").set(if health == Health::Good { 1.0 } else { 0.0 });
        let closed = if health == Health::Good { None } else { Some(Closed::Storage) };
        if self.draining || health == self.health {
            return;
        }
        self.health = health;
        match health {
            Health::Good => info!("Storage is good again: calls are taken"),
            Health::Full => error!("The disk is full: calls are refused until there is room"),
            Health::Failing => error!("The database cannot be written: calls are refused until it can"),
        }
        self.parts.sip.close(closed).await;
        let ready = if closed.is_none() { Readiness::Ready } else { Readiness::NotReady("storage") };
        self.ready.send_replace(ready);
    }

    /// Takes a new configuration, surveys and prompts; keeps the old ones when the new ones are wrong.
    async fn reload(&mut self, file: &Path) {
        let file = file.to_owned();
        let loaded = self.behind.handle().spawn_blocking(move || config::load(&file)).await;
        let live = match loaded {
            Ok(Ok(live)) => live,
            Ok(Err(error)) => {
                error!("The new configuration is refused, the old one stays: {error}");
                return;
            }
            Err(error) => {
                error!("Reading the configuration failed, the old one stays: {error}");
                return;
            }
        };
        let taken = match lists(&self.parts.store, &live) {
            Ok(lists) => self
                .parts
                .sip
                .reload(&live.config.sip, &live.config.trunk)
                .await
                .map_err(anyhow::Error::from)
                .map(|()| lists),
            Err(error) => Err(error),
        };
        let reloaded = taken.and_then(|lists| {
            let mut selector = self.parts.selector.lock().unwrap_or_else(PoisonError::into_inner);
            let config = live.config.selection.clone();
            selector
                .reload(config, versions(&live), lists)
                .map_err(|fault| anyhow::anyhow!("{}: {}", fault.key, fault.what))
        });
        if let Err(error) = reloaded {
            error!("The new configuration is refused, the old one stays: {error:#}");
            return;
        }
        if let Err(error) = self.parts.store.set_cell_min(live.config.policy.cell_min).await {
            error!("The policy's smallest cell could not be stored, the old one stays: {error}");
        }
        self.parts.live.store(Arc::new(live));
        info!("Took the new configuration; running calls keep the old one");
    }

    /// 503 to new calls; running surveys finish, within bounds; a second signal ends them politely.
    async fn drain(
        &mut self,
        incoming: &mut mpsc::Receiver<CallSignals>,
        terminate: &mut Signal,
        interrupt: &mut Signal,
    ) {
        self.draining = true;
        self.parts.sip.close(Some(Closed::Draining)).await;
        self.ready.send_replace(Readiness::NotReady("draining"));
        let told = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        tracing::debug!("Told the service manager: {}", told.is_ok());
        let most = self.parts.live.load().config.service.drain_max;
        info!("Draining: {} calls may finish within {} s", self.calls.len(), most.as_secs());
        let patience = tokio::time::sleep(most);
        tokio::pin!(patience);
        while !self.calls.is_empty() {
            tokio::select! {
                Some(signals) = incoming.recv() => {
                    self.calls.spawn(call::run(Arc::clone(&self.parts), signals));
                }
                Some(done) = self.calls.join_next() => report(done),
                () = &mut patience => break,
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        if self.calls.is_empty() {
            return;
        }
        info!("Ending {} calls politely", self.calls.len());
        self.ending.send_replace(true);
        let goodbye = async {
            while let Some(done) = self.calls.join_next().await {
                report(done)
            }
        };
        if tokio::time::timeout(GOODBYE_MAX, goodbye).await.is_err() {
            warn!("{} calls did not end in time; the next start closes them", self.calls.len());
            self.calls.abort_all();
        }
    }
}

/// The surveys that can be held.
fn versions(live: &Live) -> Vec<(SurveyId, SurveyVersion)> {
    live.surveys.iter().map(|survey| (survey.id.clone(), survey.version)).collect()
}

/// The lists of callers, hashed.
fn lists(store: &Store, live: &Live) -> anyhow::Result<Lists> {
    let privacy = store.privacy();
    let hash = |number: &CallerNumber| privacy.caller_hash(number);
    let numbering = live.config.service.numbering();
    Ok(Lists::load(&live.config.selection, &hash, &privacy.mystery_key(), &numbering)?)
}

/// Selection, taken up where an earlier run ended.
async fn selector(store: &Store, live: &Live) -> anyhow::Result<Selector> {
    let config = &live.config.selection;
    let fault = |fault: config::Fault| anyhow::anyhow!("[selection] {}: {}", fault.key, fault.what);
    let now = Timestamp::now();
    let horizon = Selector::horizon(config, &config.zone().map_err(fault)?, now);
    let state = store.views().selection_state(horizon).await.context("selection state")?;
    let lists = lists(store, live)?;
    let selector =
        Selector::new(config.clone(), versions(live), lists, state, rand::random(), now).map_err(fault)?;
    info!(seed = selector.seed(), "Selection starts; the seed repeats its draws");
    Ok(selector)
}

fn report(done: Result<(), tokio::task::JoinError>) {
    if let Err(error) = done
        && error.is_panic()
    {
        error!("A call's task failed; its answers so far are stored: {error}");
    }
}
