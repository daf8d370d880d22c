//! Sets as parameters: one parameter holds any number of rows, so that one prepared statement serves every batch size.

use std::fmt::Write as _;

use super::{Arg, Dialect};
use crate::error::StoreError;

/// The type of a column of [`rows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Col {
    /// A 64-bit integer.
    Int,
    /// Text.
    Text,
    /// Bytes; in JSON they travel as hexadecimal.
    Blob,
}

impl Col {
    fn letter(self) -> char {
        match self {
            Self::Int => 'i',
            Self::Text => 't',
            Self::Blob => 'b',
        }
    }

    fn of_letter(letter: char) -> Option<Self> {
        [Self::Int, Self::Text, Self::Blob].into_iter().find(|column| column.letter() == letter)
    }

    pub(super) fn array(self, rows: usize) -> Parameter {
        match self {
            Self::Int => Parameter::Ints(Vec::with_capacity(rows)),
            Self::Text => Parameter::Texts(Vec::with_capacity(rows)),
            Self::Blob => Parameter::Blobs(Vec::with_capacity(rows)),
        }
    }

    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Int => "bigint",
            Self::Text => "text",
            Self::Blob => "bytea",
        }
    }
}

/// SQL that turns one parameter (made with [`RowSet`]) into rows: a parenthesised sub-select that wants an alias,
/// `format!("SELECT … FROM {} AS r CROSS JOIN …", rows(dialect, "$1", &[("record", Col::Blob), ("n", Col::Int)]))`.
/// Join it as `FROM {rows} AS r CROSS JOIN t WHERE t.x = r.x`, the rows first: so SQLite keeps that order and looks each row up in
/// the index. With plain `JOIN … ON` it may scan the table and look for each of its rows among the parameter's.
/// Every column may hold NULL. Column names are trusted: pass literals only.
///
/// SQLite reads a JSON text. PostgreSQL gets an array for each column, which costs it half: `$1#0i` stands for the first, of integers,
/// until the statement is run.
pub fn rows(dialect: Dialect, parameter: &str, columns: &[(&str, Col)]) -> String {
    from(dialect, columns, parameter, &|array| array)
}

/// The same for few rows, as one reader asks for: PostgreSQL is not told how many they are. What it knows it plans for each time,
/// and with a few rows that takes longer than to find them; it keeps the plan for any number.
pub fn few_rows(dialect: Dialect, parameter: &str, columns: &[(&str, Col)]) -> String {
    from(dialect, columns, parameter, &|array| format!("(SELECT {array})"))
}

/// Rows of a table for each row before it, to stand after it in `FROM`. PostgreSQL, whose statistics lag behind a table that grows,
/// would compare each row with each; of a part of its own it makes probes of an index. SQLite makes them anyway.
pub fn probe(dialect: Dialect, table: &str, alias: &str, condition: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("CROSS JOIN {table} AS {alias} ON {condition}"),
        Dialect::Postgres => format!(
            "CROSS JOIN LATERAL (SELECT * FROM {table} AS {alias} WHERE {condition} OFFSET 0) AS {alias}"
        ),
    }
}

fn from(
    dialect: Dialect,
    columns: &[(&str, Col)],
    parameter: &str,
    array: &dyn Fn(String) -> String,
) -> String {
    let list = |part: &dyn Fn(usize, &str, Col) -> String| {
        let parts = columns.iter().enumerate().map(|(at, (name, column))| part(at, name, *column));
        parts.collect::<Vec<_>>().join(", ")
    };
    match dialect {
        Dialect::Sqlite => {
            let values = list(&|at, name, column| match column {
                Col::Int | Col::Text => format!("value->>{at} AS {name}"),
                Col::Blob => format!("unhex(value->>{at}) AS {name}"),
            });
            format!("(SELECT {values} FROM json_each({parameter}))")
        }
        Dialect::Postgres => {
            let arrays = list(&|at, _, column| array(format!("{parameter}#{at}{}", column.letter())));
            let names = list(&|_, name, _| name.to_owned());
            format!("(SELECT * FROM UNNEST({arrays}) AS u ({names}))")
        }
    }
}

/// Builds the parameter of [`rows`]. PostgreSQL cannot hold U+0000 in text; it becomes U+FFFD on both stores, so that one
/// such character in a body cannot stop a projection for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSet {
    /// Row after row.
    values: Vec<Arg>,
    len: usize,
}

impl RowSet {
    /// No rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row: its values in the order of the columns.
    pub fn push(&mut self, values: impl IntoIterator<Item = Arg>) {
        self.len += 1;
        self.values.extend(values);
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
        Arg::Rows(self)
    }

    /// Its form for SQLite: an array of arrays.
    pub(super) fn json(&self) -> String {
        let mut text = String::from("[");
        let width = self.values.len().checked_div(self.len).unwrap_or_default().max(1);
        for (at, row) in self.values.chunks(width).enumerate() {
            text.push_str(if at == 0 { "[" } else { ",[" });
            for (at, value) in row.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                push_value(&mut text, value);
            }
            text.push(']');
        }
        text.push(']');
        text
    }

    /// Its form for PostgreSQL: an array for each of these columns.
    fn arrays(self, columns: &[Col]) -> Result<Vec<Parameter>, StoreError> {
        if self.values.len() != self.len * columns.len() {
            return Err(internal("rows are not as wide as the columns read from them"));
        }
        let mut arrays: Vec<Parameter> = columns.iter().map(|column| column.array(self.len)).collect();
        for (at, value) in self.values.into_iter().enumerate() {
            arrays[at % columns.len()].push(value)?;
        }
        Ok(arrays)
    }
}

impl From<RowSet> for Arg {
    fn from(rows: RowSet) -> Self {
        rows.into_arg()
    }
}

fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

fn internal(why: &str) -> StoreError {
    StoreError::Internal(why.to_owned())
}

/// A parameter as PostgreSQL takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parameter {
    Int(Option<i64>),
    Text(Option<String>),
    Blob(Option<Vec<u8>>),
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    Blobs(Vec<Option<Vec<u8>>>),
}

impl Parameter {
    pub(super) fn one(arg: Arg) -> Result<Self, StoreError> {
        Ok(match arg {
            Arg::Int(value) => Self::Int(Some(value)),
            Arg::OptInt(value) => Self::Int(value),
            Arg::Text(value) => Self::Text(Some(value)),
            Arg::OptText(value) => Self::Text(value),
            Arg::Blob(value) => Self::Blob(Some(value)),
            Arg::OptBlob(value) => Self::Blob(value),
            Arg::Rows(_) => return Err(internal("rows within rows")),
        })
    }

    fn push(&mut self, value: Arg) -> Result<(), StoreError> {
        let null = matches!(value, Arg::OptInt(None) | Arg::OptText(None) | Arg::OptBlob(None));
        match (self, Self::one(value)?) {
            (Self::Ints(array), _) if null => array.push(None),
            (Self::Texts(array), _) if null => array.push(None),
            (Self::Blobs(array), _) if null => array.push(None),
            (Self::Texts(array), Self::Text(value)) => array.push(value.map(storable)),
            (array, value) => array.extend(value)?,
        }
        Ok(())
    }

    /// Adds a value of the same type, as it is.
    pub(super) fn extend(&mut self, value: Self) -> Result<(), StoreError> {
        match (self, value) {
            (Self::Ints(array), Self::Int(value)) => array.push(value),
            (Self::Texts(array), Self::Text(value)) => array.push(value),
            (Self::Blobs(array), Self::Blob(value)) => array.push(value),
            _ => return Err(internal("a value in rows is not of its column's type")),
        }
        Ok(())
    }

    /// The type of a single value.
    pub(super) fn column(&self) -> Option<Col> {
        match self {
            Self::Int(_) => Some(Col::Int),
            Self::Text(_) => Some(Col::Text),
            Self::Blob(_) => Some(Col::Blob),
            Self::Ints(_) | Self::Texts(_) | Self::Blobs(_) => None,
        }
    }

    /// How many values an array has.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ints(array) => array.len(),
            Self::Texts(array) => array.len(),
            Self::Blobs(array) => array.len(),
            Self::Int(_) | Self::Text(_) | Self::Blob(_) => 1,
        }
    }
}

/// Makes a parameter of each column of [`rows`] in a statement for PostgreSQL, and numbers the others anew.
pub(super) fn expand(sql: &str, args: Vec<Arg>) -> Result<(String, Vec<Parameter>), StoreError> {
    let mut columns: Vec<Vec<Col>> = args.iter().map(|_| Vec::new()).collect();
    let mut known = true;
    each(sql, |_, number, column| match (number.checked_sub(1).and_then(|at| columns.get_mut(at)), column) {
        (Some(columns), Some((at, column))) if at == columns.len() => columns.push(column),
        (Some(_), _) => {}
        (None, _) => known = false,
    });
    if !known {
        return Err(internal("a statement names a parameter that it was not given"));
    }
    let mut first = Vec::with_capacity(args.len());
    let mut next = 1;
    for (arg, columns) in args.iter().zip(&columns) {
        first.push(next);
        next += if matches!(arg, Arg::Rows(_)) { columns.len() } else { 1 };
    }
    let mut text = String::with_capacity(sql.len() + 64);
    let rest = each(sql, |before, number, column| {
        text.push_str(before);
        // Writing to a String cannot fail, and the number was looked at above.
        let _ = match column {
            Some((at, column)) => write!(text, "${}::{}[]", first[number - 1] + at, column.sql()),
            None => write!(text, "${}", first[number - 1]),
        };
    });
    text.push_str(rest);
    let mut parameters = Vec::with_capacity(next);
    for (arg, columns) in args.into_iter().zip(columns) {
        match arg {
            Arg::Rows(rows) => parameters.extend(rows.arrays(&columns)?),
            arg => parameters.push(Parameter::one(arg)?),
        }
    }
    Ok((text, parameters))
}

/// Walks over the parameters of a statement: what is before each, its number, and its column. Gives what is after the last.
pub(super) fn each<'a>(sql: &'a str, mut found: impl FnMut(&'a str, usize, Option<(usize, Col)>)) -> &'a str {
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('$') {
        let (Some(number), after) = digits(after) else { return rest };
        let column = after.strip_prefix('#').map(digits).and_then(|(at, after)| {
            let column = Col::of_letter(after.chars().next()?)?;
            Some((at?, column, &after[1..]))
        });
        let (column, after) = match column {
            Some((at, column, after)) => (Some((at, column)), after),
            None => (None, after),
        };
        found(before, number, column);
        rest = after;
    }
    rest
}

fn digits(text: &str) -> (Option<usize>, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].parse().ok(), &text[end..])
}

fn push_value(text: &mut String, value: &Arg) {
    match value {
        Arg::Int(value) | Arg::OptInt(Some(value)) => {
            // Writing to a String cannot fail.
            let _ = write!(text, "{value}");
        }
        Arg::Text(value) | Arg::OptText(Some(value)) => push_string(text, value),
        Arg::Blob(value) | Arg::OptBlob(Some(value)) => push_hex(text, value),
        Arg::OptInt(None) | Arg::OptText(None) | Arg::OptBlob(None) | Arg::Rows(_) => text.push_str("null"),
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

    fn sample() -> RowSet {
        let mut rows = RowSet::new();
        rows.push(args![-5_i64, "кот \"\\\n\0", vec![0_u8, 255]]);
        rows.push(vec![Arg::OptInt(None), Arg::OptText(None), Arg::OptBlob(None)]);
        rows
    }

    #[test]
    fn writes_json_of_every_kind_of_value() {
        assert_eq!(RowSet::new().json(), "[]");
        assert_eq!(sample().len(), 2);
        assert_eq!(sample().json(), "[[-5,\"кот \\\"\\\\\\u000a\u{fffd}\",\"00ff\"],[null,null,null]]");
    }

    const COLUMNS: [(&str, Col); 3] = [("n", Col::Int), ("name", Col::Text), ("id", Col::Blob)];

    #[test]
    fn expands_rows_to_an_array_a_column() {
        let from = rows(Dialect::Postgres, "$2", &COLUMNS);
        let sql =
            format!("SELECT $1 FROM {from} AS r WHERE x = $3 AND y IN (SELECT n FROM {from} AS s) -- end");
        let (text, parameters) = expand(&sql, args![7_i64, sample(), "last"]).unwrap();
        let unnest = "(SELECT * FROM UNNEST($2::bigint[], $3::text[], $4::bytea[]) AS u (n, name, id))";
        let expected = format!(
            "SELECT $1 FROM {unnest} AS r WHERE x = $5 AND y IN (SELECT n FROM {unnest} AS s) -- end"
        );
        assert_eq!(text, expected);
        let expected = vec![
            Parameter::Int(Some(7)),
            Parameter::Ints(vec![Some(-5), None]),
            Parameter::Texts(vec![Some("кот \"\\\n\u{fffd}".into()), None]),
            Parameter::Blobs(vec![Some(vec![0, 255]), None]),
            Parameter::Text(Some("last".into())),
        ];
        assert_eq!(parameters, expected);
        let (_, none) = expand(&from, args![0_i64, RowSet::new()]).unwrap();
        assert_eq!(none.len(), 4);
    }

    #[test]
    fn few_rows_have_one_plan() {
        let (text, _) =
            expand(&few_rows(Dialect::Postgres, "$1", &COLUMNS[..1]), args![RowSet::new()]).unwrap();
        assert_eq!(text, "(SELECT * FROM UNNEST((SELECT $1::bigint[])) AS u (n))");
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let from = rows(Dialect::Postgres, "$1", &COLUMNS[..2]);
        assert!(expand(&from, args![sample()]).is_err(), "more columns than are read");
        let mut text = RowSet::new();
        text.push(args!["five", "x"]);
        assert!(expand(&from, args![text]).is_err(), "text where an integer belongs");
        assert!(expand("SELECT $2", args![1_i64]).is_err(), "a parameter that is not there");
    }
}
