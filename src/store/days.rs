//! Whose days the sums by day are of. They are kept by day, so another time zone has them made anew from the journal.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sqlx::{Connection as _, SqliteConnection};

use super::views::read_error;
use super::{StoreError, sql};

/// Microseconds in a day.
const DAY_US: i64 = 86_400_000_000;

/// The days of a time zone; those of UTC by default.
#[derive(Clone, Debug)]
pub(super) struct Days(TimeZone);

impl Default for Days {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Days {
    /// The day of a time, in days since 1970.
    pub(super) fn of(&self, at_us: i64) -> i64 {
        let Ok(at) = Timestamp::from_microsecond(at_us) else { return at_us.div_euclid(DAY_US) };
        let day = at.to_zoned(self.0.clone()).date();
        let first = Date::constant(1970, 1, 1);
        first.until(day).map_or_else(|_| at_us.div_euclid(DAY_US), |span| span.get_days().into())
    }
}

/// The days that the sums are of.
pub(super) async fn load(conn: &mut SqliteConnection) -> Result<Days, StoreError> {
    let name: String =
        sqlx::query_scalar("SELECT name FROM day_zone").fetch_one(conn).await.map_err(read_error)?;
    Ok(TimeZone::get(&name).map(Days).unwrap_or_default())
}

/// Makes them those of another time zone; the sums are then due to be made anew.
pub(super) async fn set(conn: &mut SqliteConnection, zone: &str) -> Result<(), StoreError> {
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(sql::write_error)?;
    let update = "UPDATE day_zone SET name = $1 WHERE name <> $1";
    let done = sqlx::query(update).bind(zone.to_owned()).execute(&mut *tx).await.map_err(sql::write_error)?;
    if done.rows_affected() > 0 {
        let due = "INSERT INTO rebuild_due (why) VALUES ($1) ON CONFLICT DO NOTHING";
        let why = format!("days of {zone}");
        sqlx::query(due).bind(why).execute(&mut *tx).await.map_err(sql::write_error)?;
    }
    tx.commit().await.map_err(sql::write_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StoreConfig;
    use crate::store::tests::{batch, config, whole_call};
    use crate::store::{GroupBy, Scope, Store};

    #[test]
    fn a_day_begins_at_midnight_there() {
        let day = |zone: &str, at: &str| {
            let at: Timestamp = at.parse().unwrap();
            crate::store::project::day_text(Days(TimeZone::get(zone).unwrap()).of(at.as_microsecond()))
        };
        assert_eq!(day("UTC", "2026-11-22T23:30:00Z"), "2026-11-22");
        assert_eq!(day("Europe/Amsterdam", "2026-11-22T22:59:59Z"), "2026-11-22");
        assert_eq!(day("Europe/Amsterdam", "2026-11-22T23:00:00Z"), "2026-11-23");
        assert_eq!(day("Europe/Amsterdam", "2026-07-22T22:00:00Z"), "2026-07-23", "in summer");
        assert_eq!(day("Pacific/Kiritimati", "2026-12-31T10:00:00Z"), "2027-01-01");
        assert_eq!(day("America/Los_Angeles", "1969-12-31T23:00:00Z"), "1969-12-31");
        let all = Days::default();
        for at_us in [0, -1, i64::MIN, i64::MAX, 1_795_000_000_000_000] {
            assert_eq!(all.of(at_us), at_us.div_euclid(DAY_US));
        }
    }

    #[tokio::test]
    async fn sums_follow_the_time_zone_and_are_made_anew_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let of = |zone: &str| StoreConfig { day_zone: Some(zone.into()), ..config() };
        // 2026-11-18T16:26:40Z and a little.
        let days = async |store: &Store| {
            let sums = store.views().report(GroupBy::Day, &Scope::default()).await.unwrap();
            let mut days: Vec<(String, u64)> =
                sums.outcomes.iter().map(|sum| (sum.group.clone(), sum.n)).collect();
            days.sort();
            days
        };
        let call = async |store: &Store| {
            store.append(batch(store.new_call_id(), whole_call(4))).await.unwrap();
        };
        let (store, _) = Store::open(&of("UTC"), folder.path()).await.unwrap();
        call(&store).await;
        assert_eq!(days(&store).await, [("2026-11-18".to_owned(), 1)]);
        store.close().await;
        drop(store);
        let (store, _) = Store::open(&of("Pacific/Kiritimati"), folder.path()).await.unwrap();
        assert_eq!(days(&store).await, [("2026-11-19".to_owned(), 1)]);
        call(&store).await;
        assert_eq!(days(&store).await, [("2026-11-19".to_owned(), 2)]);
        store.close().await;
        drop(store);
        crate::store::rebuild(&config(), folder.path()).await.unwrap();
        let (store, _) = Store::open(&config(), folder.path()).await.unwrap();
        assert_eq!(days(&store).await, [("2026-11-19".to_owned(), 2)], "nobody asks for others");
    }
}
