//! The `WHERE` of a query whose conditions depend on what was asked.

use sqlx::AssertSqlSafe;

use super::sql;

/// Conditions and their values.
#[derive(Default)]
pub(super) struct Wheres {
    text: String,
    values: Vec<Value>,
}

pub(super) enum Value {
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl Wheres {
    /// Adds `condition $n`, when there is a value.
    pub(super) fn add(&mut self, condition: &'static str, value: Option<impl Into<Value>>) {
        let Some(value) = value else { return };
        self.values.push(value.into());
        let word = if self.values.len() == 1 { " WHERE" } else { " AND" };
        self.text += &format!("{word} {condition}${}", self.values.len());
    }

    pub(super) fn bind(&self, text: String) -> sql::Query {
        let query = sqlx::query(AssertSqlSafe(text));
        self.values.iter().fold(query, |query, value| match value {
            Value::Integer(n) => query.bind(*n),
            Value::Text(text) => query.bind(text.clone()),
            Value::Bytes(bytes) => query.bind(bytes.clone()),
        })
    }
}

impl std::fmt::Display for Wheres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
