//! A query whose conditions depend on what was asked for: text and arguments grow together.

use eventstore::sql::Arg;

/// `SELECT … FROM table`, of the rows of the live build of `projection`.
pub(crate) fn live(select: &str, projection: &'static str) -> String {
    format!("{select} WHERE build = (SELECT build FROM projection WHERE name = '{projection}' AND live = 1)")
}

/// A `SELECT` being put together. Values only ever travel as arguments.
pub(crate) struct Select {
    sql: String,
    args: Vec<Arg>,
}

impl Select {
    /// Begins with `SELECT … FROM table`, on the rows of the live build of `projection`.
    pub(crate) fn live(select: &str, projection: &'static str) -> Self {
        Self { sql: live(select, projection), args: Vec::new() }
    }

    /// Adds ` AND condition`, where `{}` stands for the value.
    pub(crate) fn and(&mut self, condition: &str, value: impl Into<Arg>) -> &mut Self {
        self.args.push(value.into());
        let holder = format!("${}", self.args.len());
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition.replace("{}", &holder));
        self
    }

    /// Adds ` AND condition`, where the first `{}` stands for the one value and the second for the other.
    pub(crate) fn and_pair(
        &mut self,
        condition: &str,
        one: impl Into<Arg>,
        other: impl Into<Arg>,
    ) -> &mut Self {
        self.args.extend([one.into(), other.into()]);
        let (first, second) = (self.args.len() - 1, self.args.len());
        let condition =
            condition.replacen("{}", &format!("${first}"), 1).replacen("{}", &format!("${second}"), 1);
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition);
        self
    }

    /// Adds ` AND condition` when there is a value.
    pub(crate) fn and_some(&mut self, condition: &str, value: Option<impl Into<Arg>>) -> &mut Self {
        if let Some(value) = value {
            self.and(condition, value);
        }
        self
    }

    /// Adds what follows the conditions.
    pub(crate) fn end(mut self, tail: &str) -> (String, Vec<Arg>) {
        self.sql.push(' ');
        self.sql.push_str(tail);
        (self.sql, self.args)
    }

    /// Adds an order by a key and a bound of one row more than the page, by which a next page is known.
    pub(crate) fn page(mut self, order: &str, limit: i64) -> (String, Vec<Arg>) {
        self.args.push((limit + 1).into());
        let tail = format!("ORDER BY {order} LIMIT ${}", self.args.len());
        self.end(&tail)
    }
}
