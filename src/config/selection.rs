//! `[selection]` and `[[queue]]`: which calls are surveyed.

use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{Checked, Fault};
use crate::domain::{QueueId, SurveyId};

/// Which calls are surveyed. Nothing here can be moved by an agent: calls that an agent sends on purpose count neither
/// towards "every Nth" nor towards a cap or a caller's window.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectionConfig {
    /// The rule for queues that no `[[queue]]` matches, and for calls without a queue.
    pub rule: Rule,
    /// The survey where neither the call nor its queue names one.
    pub survey: SurveyId,
    /// What a call that is not selected gets.
    pub decline: Decline,
    /// Shorter conversations with the agent are not eligible. A call that does not say how long is.
    #[serde(with = "humantime_serde")]
    pub talk_min: Duration,
    /// A caller who was sampled is not eligible again for so long; zero is no window.
    #[serde(with = "humantime_serde")]
    pub same_caller_window: Duration,
    /// A conversation (one call reference and agent) that brought an answer is not surveyed again for so long: a PBX that
    /// tries a transfer twice must not count twice. Zero is no window.
    #[serde(with = "humantime_serde")]
    pub same_call_window: Duration,
    /// Callers, and conversations, remembered for their windows: 1-10,000,000; the oldest are forgotten first.
    pub same_caller_max: usize,
    /// Sampled calls a day, over all queues.
    pub cap_total: Option<u64>,
    /// Sampled calls a day and queue.
    pub cap_queue: Option<u64>,
    /// Sampled calls a day and agent.
    pub cap_agent: Option<u64>,
    /// The time zone of days and opening hours, as the IANA database names it.
    pub time_zone: String,
    /// When callers may be surveyed; always when empty.
    pub hours: Vec<Hours>,
    /// Numbers that are never surveyed, one a line, `#` begins a comment. They are hashed as they are read.
    pub do_not_survey: Option<PathBuf>,
    /// Mystery callers, one a line: a number, or a caller hash (64 hexadecimal digits).
    pub mystery_callers: Option<PathBuf>,
    /// The key of mystery callers' tokens, a file of 16 bytes or more; made from the installation's secret otherwise.
    pub mystery_key_file: Option<PathBuf>,
    /// The seed of random shares, to repeat a series of draws; random, and logged, otherwise.
    pub seed: Option<u64>,
    /// Rules per queue; the first that matches counts.
    #[serde(rename = "queue")]
    pub queues: Vec<QueueRule>,
}

impl Default for SelectionConfig {
    fn default() -> Self {
        Self {
            rule: Rule::Every(20),
            survey: "service".parse().expect("a plain name"),
            decline: Decline::Code(603),
            talk_min: Duration::ZERO,
            same_caller_window: Duration::ZERO,
            same_call_window: Duration::from_secs(3600),
            same_caller_max: 200_000,
            cap_total: None,
            cap_queue: None,
            cap_agent: None,
            time_zone: "UTC".into(),
            hours: Vec::new(),
            do_not_survey: None,
            mystery_callers: None,
            mystery_key_file: None,
            seed: None,
            queues: Vec::new(),
        }
    }
}

/// What one queue, or several, do their own way.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueRule {
    /// The queue's name; `*` stands for any run of characters.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Who is surveyed.
    pub rule: Rule,
    /// With which survey.
    pub survey: Option<SurveyId>,
    /// Shortest conversation, in place of the general one.
    #[serde(default, with = "humantime_serde::option")]
    pub talk_min: Option<Duration>,
    /// Sampled calls a day in each of these queues, in place of the general cap.
    pub cap: Option<u64>,
    /// When, in place of the general hours.
    pub hours: Option<Vec<Hours>>,
}

/// Who is surveyed among the eligible calls.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Everyone.
    All,
    /// Nobody, but for agents' and mystery callers' calls.
    None,
    /// Every Nth of a queue: `{ every = 20 }`.
    Every(u64),
    /// Each with this chance, 0-1: `{ share = 0.05 }`.
    Share(f64),
}

/// What a call that is not selected gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawDecline")]
pub enum Decline {
    /// A final SIP response, 400-699, before it is answered.
    Code(u16),
    /// An answer, the prompt `goodbye`, and a BYE: for a PBX that would leave the caller hanging.
    Goodbye,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawDecline {
    Code(u16),
    Word(String),
}

impl TryFrom<RawDecline> for Decline {
    type Error = &'static str;
    fn try_from(raw: RawDecline) -> Result<Self, Self::Error> {
        match raw {
            RawDecline::Code(code @ 400..=699) => Ok(Self::Code(code)),
            RawDecline::Word(word) if word == "goodbye" => Ok(Self::Goodbye),
            RawDecline::Code(_) | RawDecline::Word(_) => Err("a SIP response code 400-699 or \"goodbye\""),
        }
    }
}

/// A stretch of time on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The days: `mon` to `sun`.
    pub days: Vec<Day>,
    /// From this time on.
    pub from: Time,
    /// Until before this time; `00:00` is the end of the day.
    pub to: Time,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names of the days")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl From<Day> for Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Mon => Self::Monday,
            Day::Tue => Self::Tuesday,
            Day::Wed => Self::Wednesday,
            Day::Thu => Self::Thursday,
            Day::Fri => Self::Friday,
            Day::Sat => Self::Saturday,
            Day::Sun => Self::Sunday,
        }
    }
}

impl SelectionConfig {
    /// The time zone of days and hours.
    ///
    /// # Errors
    /// The name is unknown.
    pub fn zone(&self) -> Result<TimeZone, Fault> {
        TimeZone::get(&self.time_zone)
            .map_err(|_| Fault::new("time_zone", format!("{:?} is not in the IANA database", self.time_zone)))
    }

    /// The surveys that are named here, so that it can be checked that each exists.
    pub fn surveys(&self) -> impl Iterator<Item = &SurveyId> {
        std::iter::once(&self.survey).chain(self.queues.iter().filter_map(|q| q.survey.as_ref()))
    }
}

impl Checked for SelectionConfig {
    fn check(&self) -> Result<(), Fault> {
        self.zone()?;
        if !(1..=10_000_000).contains(&self.same_caller_max) {
            return Err(Fault::new("same_caller_max", "is 1-10000000"));
        }
        self.rule.check("rule")?;
        check_hours("hours", &self.hours)?;
        for queue in &self.queues {
            queue.rule.check("queue.rule")?;
            check_hours("queue.hours", queue.hours.as_deref().unwrap_or_default())?;
        }
        Ok(())
    }
}

impl Rule {
    fn check(self, key: &'static str) -> Result<(), Fault> {
        match self {
            Self::Every(0) => Err(Fault::new(key, "every = 1 or more")),
            Self::Share(share) if !(0.0..=1.0).contains(&share) => Err(Fault::new(key, "share = 0.0 to 1.0")),
            Self::All | Self::None | Self::Every(_) | Self::Share(_) => Ok(()),
        }
    }
}

impl QueueRule {
    /// Whether this rule is for the queue.
    #[must_use]
    pub fn matches(&self, queue: Option<&QueueId>) -> bool {
        glob(&self.pattern, queue.map_or("", QueueId::as_str))
    }
}

/// Whether `*` in the pattern can stand for something that makes it the text. Takes time in the product of both.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

fn check_hours(key: &'static str, hours: &[Hours]) -> Result<(), Fault> {
    for stretch in hours {
        if stretch.to != Time::midnight() && stretch.from >= stretch.to {
            return Err(Fault::new(key, "from is before to; split a night at midnight (00:00)"));
        }
        if stretch.days.is_empty() {
            return Err(Fault::new(key, "names no day"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match() {
        for (pattern, text, is) in [
            ("sales", "sales", true),
            ("sales", "sales-nl", false),
            ("sales-*", "sales-nl", true),
            ("*-nl", "sales-nl", true),
            ("*", "", true),
            ("", "sales", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(glob(pattern, text), is, "{pattern} {text}");
        }
    }

    #[test]
    fn a_section_as_written() {
        let config: SelectionConfig = toml::from_str(
            r#"
            rule = { every = 20 }
            decline = "goodbye"
            talk_min = "20s"
            time_zone = "Europe/Amsterdam"
            hours = [{ days = ["mon", "sat"], from = "09:00", to = "17:30" }]
            [[queue]]
            match = "vip"
            rule = "all"
            survey = "short"
            [[queue]]
            match = "sales-*"
            rule = { share = 0.05 }
            talk_min = "1m"
            "#,
        )
        .unwrap();
        assert_eq!(config.check(), Ok(()));
        assert_eq!((config.decline, config.queues[1].rule), (Decline::Goodbye, Rule::Share(0.05)));
        let bad = SelectionConfig { time_zone: "Mars/Base".into(), ..config };
        assert_eq!(bad.check().unwrap_err().key, "time_zone");
        assert!(toml::from_str::<SelectionConfig>("decline = 200").is_err());
    }
}
