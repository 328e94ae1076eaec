//! A contact centre: many calls with different manners, from agents of different quality, all drawn from one seed.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::centre::Centre;
use super::plan::{CallReport, EndedBy};
use super::{Caller, Voices, steps};

/// What callers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Behaviour {
    /// Hears each question to its end and answers it.
    Answer,
    /// Presses a key first that is no answer.
    WrongKey,
    /// Never presses a key.
    Silent,
    /// Answers while the questions are still being spoken.
    BargeIn,
    /// Declines with the refuse key.
    Refuse,
    /// Hangs up half way.
    Leave,
    /// Says the answers.
    Speak,
}

impl Behaviour {
    const ALL: [Self; 7] =
        [Self::Answer, Self::WrongKey, Self::Silent, Self::BargeIn, Self::Refuse, Self::Leave, Self::Speak];

    fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::WrongKey => "wrong",
            Self::Silent => "silent",
            Self::BargeIn => "barge",
            Self::Refuse => "refuse",
            Self::Leave => "leave",
            Self::Speak => "speak",
        }
    }
}

/// Shares of the behaviours, as weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix(BTreeMap<Behaviour, u32>);

impl Default for Mix {
    fn default() -> Self {
        Self(Behaviour::ALL.into_iter().zip([50, 10, 8, 18, 4, 10, 0]).collect())
    }
}

impl FromStr for Mix {
    type Err = String;

    /// Reads `answer=50,wrong=10,silent=8,barge=18,refuse=4,leave=10,speak=0`; what is not named does not happen.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut shares = BTreeMap::new();
        for part in text.split(',') {
            let (name, weight) =
                part.split_once('=').ok_or_else(|| format!("{part:?} is not NAME=WEIGHT"))?;
            let behaviour =
                Behaviour::ALL.into_iter().find(|behaviour| behaviour.name() == name.trim()).ok_or_else(
                    || format!("{name:?} is none of answer, wrong, silent, barge, refuse, leave, speak"),
                )?;
            let weight: u16 = weight.trim().parse().map_err(|_| format!("{weight:?} is not a weight"))?;
            shares.insert(behaviour, u32::from(weight));
        }
        if shares.values().sum::<u32>() == 0 {
            return Err("all weights are 0".into());
        }
        Ok(Self(shares))
    }
}

impl Mix {
    /// Whether anybody speaks.
    #[must_use]
    pub fn speaks(&self) -> bool {
        self.0.get(&Behaviour::Speak).is_some_and(|&weight| weight > 0)
    }

    pub(super) fn draw(&self, random: &mut StdRng) -> Behaviour {
        let mut left = random.random_range(0..self.0.values().sum::<u32>().max(1));
        for (&behaviour, &weight) in &self.0 {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return behaviour,
            }
        }
        Behaviour::Answer
    }
}

/// Which questions the callers expect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Effort 1-5, why (if it was high), resolved 1-2, recommendation 0-10.
    #[default]
    Service,
    /// Satisfaction 1-5.
    Short,
    /// Satisfaction 1-5, and (if it was low) whether they want to be called back.
    Callback,
    /// The language first, then happy, neutral or angry: 1-3.
    Mood,
}

impl FromStr for Profile {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "service" => Ok(Self::Service),
            "short" => Ok(Self::Short),
            "callback" => Ok(Self::Callback),
            "mood" => Ok(Self::Mood),
            other => Err(format!("{other:?} is none of service, short, callback, mood")),
        }
    }
}

/// A contact centre.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Calls in all.
    pub calls: u32,
    /// New calls a second, on average.
    pub rate: f64,
    /// Most calls at once.
    pub concurrent: usize,
    /// Agents; each has a quality of its own.
    pub agents: u16,
    /// Queues; agents are spread over them.
    pub queues: Vec<String>,
    /// All draws come from this.
    pub seed: u64,
    /// How the callers behave.
    pub mix: Mix,
    /// What they are asked.
    pub profile: Profile,
    /// How those sound who speak.
    pub voices: Voices,
    /// Share of the calls that agents send on purpose, 0-1.
    pub triggered: f64,
    /// Mark the calls as test calls (`X-Aftercall-Test: 1`).
    pub test: bool,
    /// Further headers of each call.
    pub headers: Vec<(String, String)>,
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            calls: 100,
            rate: 5.0,
            concurrent: 200,
            agents: 6,
            queues: vec!["service".into(), "billing".into()],
            seed: 1,
            mix: Mix::default(),
            profile: Profile::default(),
            voices: Voices::default(),
            triggered: 0.05,
            test: false,
            headers: Vec::new(),
        }
    }
}

/// How far a simulation has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Calls begun.
    pub begun: u32,
    /// Calls over.
    pub over: u32,
}

/// What came of a simulation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Calls placed.
    pub calls: u32,
    /// Calls answered with 200.
    pub answered: u32,
    /// Calls declined with 603.
    pub declined: u32,
    /// Calls refused otherwise, by status.
    pub refused: BTreeMap<u16, u32>,
    /// Answered calls that the service ended.
    pub ended_by_service: u32,
    /// Answered calls that the caller left.
    pub left: u32,
    /// Keys pressed.
    pub keys: u32,
    /// Answered calls by what the caller did.
    pub behaviours: BTreeMap<Behaviour, u32>,
    /// Calls that failed or went otherwise than they should, with the first few reasons.
    pub failures: u32,
    /// The first reasons of failures.
    pub reasons: Vec<String>,
}

impl Summary {
    fn add(&mut self, behaviour: Behaviour, report: &CallReport) {
        self.calls += 1;
        self.keys += report.keys.len() as u32;
        match report.status {
            Some(200) => {
                self.answered += 1;
                *self.behaviours.entry(behaviour).or_default() += 1;
                match report.ended_by {
                    EndedBy::Them => self.ended_by_service += 1,
                    EndedBy::Us | EndedBy::Nobody => self.left += 1,
                }
            }
            Some(603) => self.declined += 1,
            Some(status) => *self.refused.entry(status).or_default() += 1,
            None => {}
        }
        let went_wrong = report.unexpected.as_ref().filter(|_| report.status == Some(200));
        if let Some(reason) = report.failure.as_ref().or(went_wrong) {
            self.failures += 1;
            if self.reasons.len() < 10 {
                self.reasons.push(format!("{} ({}): {reason}", report.call_id, behaviour.name()));
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "calls placed         {}", self.calls)?;
        writeln!(f, "  answered (200)     {}", self.answered)?;
        writeln!(f, "    ended by service {}", self.ended_by_service)?;
        writeln!(f, "    left by caller   {}", self.left)?;
        for (behaviour, count) in &self.behaviours {
            writeln!(f, "    {:<16} {count}", behaviour.name())?;
        }
        writeln!(f, "  declined (603)     {}", self.declined)?;
        for (status, count) in &self.refused {
            writeln!(f, "  refused ({status})      {count}")?;
        }
        writeln!(f, "keys pressed         {}", self.keys)?;
        write!(f, "failures             {}", self.failures)?;
        self.reasons.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
    }
}

/// Plays a contact centre against the caller's target. The calls begin at random, `rate` of them a second on average.
pub async fn simulate(
    caller: &Caller,
    simulation: &Simulation,
    mut progress: impl FnMut(Progress),
) -> Summary {
    let mut random = StdRng::seed_from_u64(simulation.seed);
    let centre = Centre::new(simulation, &mut random);
    let places = Arc::new(Semaphore::new(simulation.concurrent.max(1)));
    let mut running = JoinSet::new();
    let mut summary = Summary::default();
    let mut state = Progress::default();
    let mut due = tokio::time::Instant::now();
    for number in 0..simulation.calls {
        let (behaviour, plan) = centre.draw(number, &mut random);
        let gap = -random.random_range(f64::EPSILON..1.0).ln() / simulation.rate.max(0.001);
        due += Duration::from_secs_f64(gap);
        let start = async {
            tokio::time::sleep_until(due).await;
            places.clone().acquire_owned().await
        };
        tokio::pin!(start);
        let place = loop {
            tokio::select! {
                place = &mut start => break place,
                Some(done) = running.join_next() => note(&mut summary, &mut state, done, &mut progress),
            }
        };
        let (endpoint, target) = (caller.endpoint.clone(), caller.target.clone());
        running.spawn(async move {
            let report = steps::run(&endpoint, &target, plan).await;
            drop(place);
            (behaviour, report)
        });
        state.begun += 1;
        progress(state);
    }
    while let Some(done) = running.join_next().await {
        note(&mut summary, &mut state, done, &mut progress);
    }
    summary
}

fn note(
    summary: &mut Summary,
    state: &mut Progress,
    done: Result<(Behaviour, CallReport), tokio::task::JoinError>,
    progress: &mut impl FnMut(Progress),
) {
    match done {
        Ok((behaviour, report)) => summary.add(behaviour, &report),
        Err(error) => {
            summary.calls += 1;
            summary.failures += 1;
            summary.reasons.push(format!("a call's task died: {error}"));
        }
    }
    state.over += 1;
    progress(*state);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_read() {
        let mix: Mix = "answer=1,leave=3".parse().unwrap();
        let mut random = StdRng::seed_from_u64(5);
        let left = (0..1000).filter(|_| mix.draw(&mut random) == Behaviour::Leave).count();
        assert!((700..800).contains(&left), "{left}");
        assert!("answer=0".parse::<Mix>().is_err() && "dance=1".parse::<Mix>().is_err());
    }
}
