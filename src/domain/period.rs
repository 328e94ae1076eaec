//! The periods over which results are shown: ISO weeks, and months and quarters made of whole ISO weeks.
//!
//! A week belongs to the month, quarter and year that hold its Thursday, as it does to its ISO year (ISO 8601-1:2019
//! §4.2.2). So a month and the weeks in it never overlap in part: what is shown of one cannot be taken from the other
//! to leave a few days over. Days and weeks are those of UTC, like all sums.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Microseconds in a day.
const DAY_US: i64 = 86_400_000_000;
/// Years that periods may lie in.
const YEARS: RangeInclusive<i16> = 1971..=2199;

/// An ISO week, by the number of weeks since that of 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Week(i64);

impl Week {
    /// The week with this number since 1970; numbers come from [`Self::number`].
    #[must_use]
    pub fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Weeks since that of 1970-01-01, as rows keep it.
    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }

    /// The week that holds this time, in microseconds since 1970 UTC.
    #[must_use]
    pub fn of_us(at_us: i64) -> Self {
        Self((at_us.div_euclid(DAY_US) + 3).div_euclid(7)) // 1970-01-01 was a Thursday.
    }

    /// The week that holds this day.
    #[must_use]
    pub fn of_day(day: Date) -> Self {
        Self((day_number(day) + 3).div_euclid(7))
    }

    /// Its Monday.
    #[must_use]
    pub fn monday(self) -> Date {
        day(7 * self.0 - 3)
    }

    /// So many weeks later.
    #[must_use]
    pub fn plus(self, weeks: i64) -> Self {
        Self(self.0.saturating_add(weeks))
    }

    fn thursday(self) -> Date {
        day(7 * self.0)
    }
}

/// `2026-W47`.
impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thursday = self.thursday();
        write!(f, "{}-W{:02}", thursday.year(), (thursday.day_of_year() - 1) / 7 + 1)
    }
}

impl FromStr for Week {
    type Err = PeriodError;
    fn from_str(text: &str) -> Result<Self, PeriodError> {
        match text.parse()? {
            Period::Week(week) => Ok(week),
            Period::Month { .. } | Period::Quarter { .. } => Err(PeriodError),
        }
    }
}

impl TryFrom<String> for Week {
    type Error = PeriodError;
    fn try_from(text: String) -> Result<Self, PeriodError> {
        text.parse()
    }
}

impl From<Week> for String {
    fn from(week: Week) -> String {
        week.to_string()
    }
}

/// A period that results are shown over. In addresses: `2026-W47`, `2026-11`, `2026-Q4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Period {
    /// One ISO week.
    Week(Week),
    /// The ISO weeks whose Thursday lies in a month.
    Month {
        /// The year.
        year: i16,
        /// 1-12.
        month: i8,
    },
    /// The ISO weeks whose Thursday lies in a quarter.
    Quarter {
        /// The year.
        year: i16,
        /// 1-4.
        quarter: i8,
    },
}

/// A text that names no period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a period is a week (2026-W47), a month (2026-11) or a quarter (2026-Q4) of the years 1971-2199")]
pub struct PeriodError;

impl Period {
    /// The month that holds a week.
    #[must_use]
    pub fn month_of(week: Week) -> Self {
        let thursday = week.thursday();
        Self::Month { year: thursday.year(), month: thursday.month() }
    }

    /// The quarter that holds a week.
    #[must_use]
    pub fn quarter_of(week: Week) -> Self {
        let thursday = week.thursday();
        Self::Quarter { year: thursday.year(), quarter: (thursday.month() - 1) / 3 + 1 }
    }

    /// Its weeks, the first and the last.
    #[must_use]
    pub fn weeks(self) -> RangeInclusive<Week> {
        let of_months = |year, first: i8, last: i8| {
            let (begin, end) = (date(year, first, 1), date(year, last, 1).last_of_month());
            let first = (day_number(begin) + 6).div_euclid(7); // Thursdays are the days that seven divides.
            Week(first)..=Week(day_number(end).div_euclid(7))
        };
        match self {
            Self::Week(week) => week..=week,
            Self::Month { year, month } => of_months(year, month, month),
            Self::Quarter { year, quarter } => of_months(year, 3 * quarter - 2, 3 * quarter),
        }
    }

    /// Its first day, a Monday.
    #[must_use]
    pub fn first_day(self) -> Date {
        self.weeks().start().monday()
    }

    /// Its last day, a Sunday.
    #[must_use]
    pub fn last_day(self) -> Date {
        day(7 * self.weeks().end().0 + 3)
    }

    /// The period of the same kind before it.
    #[must_use]
    pub fn previous(self) -> Self {
        self.beside(self.weeks().start().plus(-1))
    }

    /// The period of the same kind after it.
    #[must_use]
    pub fn next(self) -> Self {
        self.beside(self.weeks().end().plus(1))
    }

    fn beside(self, week: Week) -> Self {
        match self {
            Self::Week(_) => Self::Week(week),
            Self::Month { .. } => Self::month_of(week),
            Self::Quarter { .. } => Self::quarter_of(week),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Week(week) => week.fmt(f),
            Self::Month { year, month } => write!(f, "{year}-{month:02}"),
            Self::Quarter { year, quarter } => write!(f, "{year}-Q{quarter}"),
        }
    }
}

impl FromStr for Period {
    type Err = PeriodError;
    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let (year, rest) = text.split_once('-').ok_or(PeriodError)?;
        let year: i16 = digits(year, 4)?;
        if !YEARS.contains(&year) {
            return Err(PeriodError);
        }
        if let Some(number) = rest.strip_prefix('W') {
            let number: i16 = digits(number, 2)?;
            // The fourth of January lies in the first week of its year.
            let week = Week::of_day(date(year, 1, 4)).plus(i64::from(number) - 1);
            return if number > 0 && week.thursday().year() == year {
                Ok(Self::Week(week))
            } else {
                Err(PeriodError)
            };
        }
        if let Some(quarter) = rest.strip_prefix('Q') {
            let quarter = digits(quarter, 1)?;
            return if (1..=4).contains(&quarter) {
                Ok(Self::Quarter { year, quarter })
            } else {
                Err(PeriodError)
            };
        }
        let month = digits(rest, 2)?;
        if (1..=12).contains(&month) { Ok(Self::Month { year, month }) } else { Err(PeriodError) }
    }
}

impl TryFrom<String> for Period {
    type Error = PeriodError;
    fn try_from(text: String) -> Result<Self, PeriodError> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> String {
        period.to_string()
    }
}

fn digits<T: FromStr>(text: &str, length: usize) -> Result<T, PeriodError> {
    if text.len() != length || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(PeriodError);
    }
    text.parse().map_err(|_| PeriodError)
}

/// Days since 1970-01-01.
/// When a day begins in UTC, in microseconds since 1970 UTC; `None` at the end of the calendar.
#[must_use]
pub fn midnight_us(day: Date) -> Option<i64> {
    day.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp().as_microsecond())
}

fn day_number(day: Date) -> i64 {
    i64::from(date(1970, 1, 1).until(day).map_or(0, |span| span.get_days()))
}

/// The day with this number since 1970-01-01; the last that there is for one beyond.
fn day(number: i64) -> Date {
    let span = i32::try_from(number).ok().and_then(|days| jiff::Span::new().try_days(days).ok());
    span.and_then(|span| date(1970, 1, 1).checked_add(span).ok()).unwrap_or(Date::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn weeks_are_those_of_iso_8601() {
        for (day, week) in [
            (date(2026, 11, 22), "2026-W47"),
            (date(2027, 1, 3), "2026-W53"),
            (date(2024, 12, 30), "2025-W01"),
            (date(1970, 1, 1), "1970-W01"),
        ] {
            assert_eq!(Week::of_day(day).to_string(), week);
            let iso = day.iso_week_date();
            assert_eq!(week, format!("{}-W{:02}", iso.year(), iso.week()));
        }
        assert_eq!(Week::of_us(-1).monday(), date(1969, 12, 29));
        for wrong in
            ["2026-W54", "2025-W53", "2026-W00", "2026-Q5", "2026-13", "26-11", "2026-1", "1800-01", "x"]
        {
            assert_eq!(wrong.parse::<Period>(), Err(PeriodError), "{wrong}");
        }
    }

    #[test]
    fn a_month_is_its_thursdays() {
        let november: Period = "2026-11".parse().unwrap();
        assert_eq!((november.first_day(), november.last_day()), (date(2026, 11, 2), date(2026, 11, 29)));
        assert_eq!(november.previous().to_string(), "2026-10");
        assert_eq!(november.next().first_day(), date(2026, 11, 30));
        assert_eq!("2026-Q4".parse::<Period>().unwrap().next().to_string(), "2027-Q1");
    }

    proptest! {
        #[test]
        fn periods_nest_and_go_to_text_and_back(number in 60i64..11_900) {
            let week = Week::from_number(number);
            let periods = [Period::Week(week), Period::month_of(week), Period::quarter_of(week)];
            for (period, inner) in periods.iter().zip(std::iter::once(&periods[0]).chain(&periods)) {
                prop_assert_eq!(period.to_string().parse(), Ok(*period));
                prop_assert!(period.weeks().contains(inner.weeks().start()));
                prop_assert!(period.weeks().contains(inner.weeks().end()), "{} {}", period, inner);
                prop_assert_eq!(period.next().previous(), *period);
                prop_assert_eq!(*period.next().weeks().start(), period.weeks().end().plus(1));
            }
        }
    }
}
