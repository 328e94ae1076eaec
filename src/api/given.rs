//! What several resources read and write the same way.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{ApiState, Problem};
use crate::domain::{CallerHash, CallerNumber};

/// Rows of one page at most.
const PAGE_MAX: u32 = 1000;
/// Rows of one page, unless it is asked for otherwise.
const PAGE: u32 = 100;

/// A time of the database as RFC 3339.
pub(super) fn time(at_us: i64) -> String {
    Timestamp::from_microsecond(at_us).map_or_else(|_| String::new(), |at| at.to_string())
}

/// A text that was sent as its type; the name is told with what is wrong.
pub(super) fn named<T: FromStr<Err: Display>>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    text.map(|text| text.parse().map_err(|error| Problem::wrong(format!("{name}: {error}")))).transpose()
}

/// A text that was sent as one of a few names.
pub(super) fn listed<T: Copy>(
    name: &str,
    text: Option<&str>,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let known = all.iter().copied().find(|one| as_str(*one) == text);
    let names = || all.iter().map(|one| as_str(*one)).collect::<Vec<_>>().join(", ");
    known.map(Some).ok_or_else(|| Problem::wrong(format!("{name}: is one of {}", names())))
}

/// How many rows a page has.
pub(super) fn limit(wanted: Option<u32>) -> Result<u32, Problem> {
    let limit = wanted.unwrap_or(PAGE);
    if (1..=PAGE_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::wrong(format!("limit: must lie in 1-{PAGE_MAX}")))
}

/// A caller's number as its hash.
pub(super) fn caller(state: &ApiState, number: Option<&str>) -> Result<Option<CallerHash>, Problem> {
    let Some(text) = number else { return Ok(None) };
    let numbering = state.web.parts.live.load().config.service.numbering();
    let number = (text.len() <= 128).then(|| CallerNumber::dialled(text, &numbering)).flatten();
    let number = number.ok_or_else(|| Problem::wrong("caller: is no number"))?;
    Ok(Some(state.web.parts.store.privacy().caller_hash(&number)))
}

/// From now until so much later, in microseconds since 1970 UTC.
pub(super) fn stretch(for_so_long: Duration) -> (i64, i64) {
    let now = Timestamp::now();
    let length = SignedDuration::try_from(for_so_long).unwrap_or(SignedDuration::MAX);
    (now.as_microsecond(), now.saturating_add(length).unwrap_or(now).as_microsecond())
}
