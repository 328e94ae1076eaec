//! Statements for responses that wait for their group.

use sqlx::SqliteConnection;

use super::StoreError;
use super::groups::{AllGroups, GroupKey};
use super::passage::Passage;
use super::sql::bytes;
use super::statement::{Statement, statements};
use super::views::{damaged, get, parse, read_error, uuid_of};
use crate::domain::CallId;

/// Puts what waits now of each call in the place of what waited.
pub(super) fn set(rows: &[(CallId, &GroupKey, Option<&Passage>)]) -> Vec<Statement> {
    let body = |passage: &Passage| serde_json::to_string(passage).unwrap_or_default();
    let wait: Vec<_> =
        rows.iter().filter_map(|(call, key, passage)| Some((*call, *key, body((*passage)?)))).collect();
    let head = "INSERT INTO responses_waiting (call_id, origin, survey, agent, body)";
    let tail = "ON CONFLICT (call_id) DO UPDATE SET body = excluded.body";
    let mut queries = statements(head, 5, tail, &wait, |q, (call, key, body)| {
        q.bind(bytes(call.0))
            .bind(key.origin.as_str())
            .bind(key.survey.clone())
            .bind(key.agent.clone())
            .bind(body.clone())
    });
    let count = rows.iter().filter(|(_, _, passage)| passage.is_none());
    queries.extend(count.map(|(call, _, _)| {
        Statement::new("DELETE FROM responses_waiting WHERE call_id = $1").bind(bytes(call.0))
    }));
    queries
}

/// All that wait.
pub(super) async fn load(conn: &mut SqliteConnection) -> Result<AllGroups, StoreError> {
    let rows = sqlx::query("SELECT * FROM responses_waiting").fetch_all(conn).await.map_err(read_error)?;
    let mut all = AllGroups::new();
    for row in &rows {
        let key = GroupKey {
            origin: parse(row, "origin")?,
            survey: get(row, "survey")?,
            agent: get(row, "agent")?,
        };
        let call = CallId(uuid_of("responses_waiting", &get::<Vec<u8>>(row, "call_id")?)?);
        let passage = serde_json::from_str(&get::<String>(row, "body")?)
            .map_err(|e| damaged("responses_waiting", call.to_string(), e.to_string()))?;
        all.entry(key).or_default().insert(call, passage);
    }
    Ok(all)
}
