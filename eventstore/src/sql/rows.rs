//! Sets as parameters: one JSON text holds any number of rows, so that one prepared statement serves every batch size.

use std::fmt::Write as _;

use super::{Arg, Dialect};

/// The type of a column of [`rows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Col {
    /// A 64-bit integer.
    Int,
    /// Text.
    Text,
    /// Bytes; they travel as hexadecimal.
    Blob,
}

/// SQL that turns one JSON parameter (made with [`JsonRows`]) into rows: a parenthesised sub-select that wants an alias,
/// `format!("SELECT … FROM {} AS r CROSS JOIN …", rows(dialect, "$1", &[("record", Col::Blob), ("n", Col::Int)]))`.
/// Join it as `FROM {rows} AS r CROSS JOIN t WHERE t.x = r.x`, the rows first: so SQLite keeps that order and looks each row up in
/// the index. With plain `JOIN … ON` it may scan the table and look for each of its rows among the parameter's.
/// Every column may hold NULL. Column names are trusted: pass literals only.
pub fn rows(dialect: Dialect, parameter: &str, columns: &[(&str, Col)]) -> String {
    let mut sql = String::from("(SELECT ");
    for (at, (name, column)) in columns.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = match (dialect, column) {
            (Dialect::Sqlite, Col::Int) | (_, Col::Text) => write!(sql, "{comma}value->>{at} AS {name}"),
            (Dialect::Sqlite, Col::Blob) => write!(sql, "{comma}unhex(value->>{at}) AS {name}"),
            (Dialect::Postgres, Col::Int) => write!(sql, "{comma}(value->>{at})::bigint AS {name}"),
            (Dialect::Postgres, Col::Blob) => write!(sql, "{comma}decode(value->>{at}, 'hex') AS {name}"),
        };
    }
    let _ = match dialect {
        Dialect::Sqlite => write!(sql, " FROM json_each({parameter}))"),
        Dialect::Postgres => write!(sql, " FROM jsonb_array_elements({parameter}::jsonb))"),
    };
    sql
}

/// Builds the JSON parameter of [`rows`]. PostgreSQL cannot hold U+0000 in text; it becomes U+FFFD on both stores, so that one
/// such character in a body cannot stop a projection for ever.
#[derive(Debug, Clone, Default)]
pub struct JsonRows {
    text: String,
    len: usize,
}

impl JsonRows {
    /// No rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row: its values in the order of the columns.
    pub fn push(&mut self, values: impl AsRef<[Arg]>) {
        self.text.push_str(if self.len == 0 { "[[" } else { ",[" });
        self.len += 1;
        for (at, value) in values.as_ref().iter().enumerate() {
            if at > 0 {
                self.text.push(',');
            }
            match value {
                Arg::Int(value) | Arg::OptInt(Some(value)) => {
                    let _ = write!(self.text, "{value}");
                }
                Arg::Text(value) | Arg::OptText(Some(value)) => push_string(&mut self.text, value),
                Arg::Blob(value) | Arg::OptBlob(Some(value)) => push_hex(&mut self.text, value),
                Arg::OptInt(None) | Arg::OptText(None) | Arg::OptBlob(None) => self.text.push_str("null"),
            }
        }
        self.text.push(']');
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The parameter.
    pub fn into_arg(self) -> Arg {
        Arg::Text(if self.len == 0 { "[]".to_owned() } else { self.text + "]" })
    }
}

impl From<JsonRows> for Arg {
    fn from(rows: JsonRows) -> Self {
        rows.into_arg()
    }
}

fn push_string(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\0' => text.push(char::REPLACEMENT_CHARACTER),
            control if control < ' ' => {
                let _ = write!(text, "\\u{:04x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.push('"');
    text.reserve(bytes.len() * 2 + 1);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    #[test]
    fn writes_json_of_every_kind_of_value() {
        let mut rows = JsonRows::new();
        assert_eq!(rows.clone().into_arg(), Arg::Text("[]".into()));
        rows.push(args![-5_i64, "кот \"\\\n", vec![0_u8, 255]]);
        rows.push(&[Arg::OptInt(None), Arg::OptText(None), Arg::OptBlob(None)]);
        assert_eq!(rows.len(), 2);
        let expected = r#"[[-5,"кот \"\\\u000a","00ff"],[null,null,null]]"#;
        assert_eq!(rows.into_arg(), Arg::Text(expected.into()));
    }
}
