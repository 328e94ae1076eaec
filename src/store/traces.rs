//! Names and references that stand beside calls: in the answers to writes of the API, and in the audit log.

use serde_json::Value;
use sqlx::{Row as _, SqliteConnection};

use super::views::read_error;
use super::{Privacy, StoreError, audit, sql};
use crate::domain::CallerHash;

/// What stands in the place of a reference that was erased.
pub(super) const ERASED: &str = "erased";

/// The references of a caller's calls: of those that came, and of those that were told of ahead.
pub(super) async fn references(
    conn: &mut SqliteConnection,
    caller: CallerHash,
) -> Result<Vec<String>, StoreError> {
    let text = "SELECT call_ref FROM calls WHERE caller = $1 AND call_ref IS NOT NULL \
                UNION SELECT call_ref FROM decisions WHERE caller = $1 \
                UNION SELECT json_extract(said, '$.call_ref') FROM reservations \
                WHERE caller = $1 AND json_extract(said, '$.call_ref') IS NOT NULL";
    sqlx::query_scalar(text).bind(caller.to_string()).fetch_all(conn).await.map_err(read_error)
}

/// Puts another word in the place of these wherever they stand by themselves.
pub(super) async fn replace(
    conn: &mut SqliteConnection,
    privacy: &Privacy,
    words: &[String],
    by: &str,
) -> Result<(), StoreError> {
    if words.is_empty() {
        return Ok(());
    }
    let change = |text: &str| {
        let changed = words.iter().fold(text.to_owned(), |text, word| replaced(&text, word, by));
        (changed != text).then_some(changed)
    };
    let rows = sqlx::query("SELECT token, name, body FROM receipts").fetch_all(&mut *conn).await;
    for row in rows.map_err(read_error)? {
        let (token, name, body): (Vec<u8>, String, String) = (row.get(0), row.get(1), row.get(2));
        let mut value: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        let is_named = change(&name).is_some();
        if !walk(&mut value, &change) && !is_named {
            continue;
        }
        let body = if value.is_null() { body } else { value.to_string() };
        // A key of before keys were hidden may name somebody itself.
        let hidden = if is_named { privacy.receipt_name(&name) } else { name.clone() };
        let update = "UPDATE OR REPLACE receipts SET name = $1, body = $2 WHERE token = $3 AND name = $4";
        let update = sqlx::query(update).bind(hidden).bind(body).bind(token).bind(name);
        update.execute(&mut *conn).await.map_err(sql::write_error)?;
    }
    for word in words {
        audit::rewrite(conn, privacy.audit(), word, change).await?;
    }
    Ok(())
}

/// Changes every text in a value; whether there was one to change.
fn walk(value: &mut Value, change: &impl Fn(&str) -> Option<String>) -> bool {
    match value {
        Value::String(text) => match change(text) {
            Some(changed) => {
                *text = changed;
                true
            }
            None => false,
        },
        Value::Array(list) => list.iter_mut().fold(false, |any, one| walk(one, change) | any),
        Value::Object(map) => map.values_mut().fold(false, |any, one| walk(one, change) | any),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A text with another word in the place of this one, but not of a part of a longer word.
fn replaced(text: &str, word: &str, by: &str) -> String {
    if word.is_empty() {
        return text.to_owned();
    }
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_.-@+".contains(c));
    let (mut out, mut rest, mut before) = (String::with_capacity(text.len()), text, None);
    while let Some(at) = rest.find(word) {
        let (head, tail) = rest.split_at(at);
        let after = &tail[word.len()..];
        let alone = !is_part(head.chars().next_back().or(before)) && !is_part(after.chars().next());
        out.push_str(head);
        out.push_str(if alone { by } else { word });
        before = word.chars().next_back();
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_replaced_where_they_stand_alone() {
        for (text, right) in [
            ("2026-11 of anna", "2026-11 of X"),
            ("anna", "X"),
            ("agent anna queue sales", "agent X queue sales"),
            ("anna: anna, (anna)", "X: X, (X)"),
            ("annabel hanna anna-2 anna.b", "annabel hanna anna-2 anna.b"),
            ("", ""),
        ] {
            assert_eq!(replaced(text, "anna", "X"), right);
        }
        assert_eq!(replaced("of Jürgen Müller now", "Jürgen Müller", "X"), "of X now");
        assert_eq!(replaced("aa aa", "aa", "aa aa"), "aa aa aa aa");
    }
}
