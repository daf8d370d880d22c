//! Reads that come while others of the same shape are under way go together: one statement answers all who wait. It saves what a
//! statement costs besides its rows: two messages, four switches between processes, and the waking of a task.
//!
//! Nobody waits for company: whoever comes first goes alone, and the next statement takes whoever has come by the time that it has
//! its turn for a connection. What may be read together are statements that differ in their parameters alone, none of which is a
//! set. Where one reader's parameters make the database refuse, each reads for itself, and has its own error.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Executor as _, Row as _};
use tokio::sync::oneshot;

use super::ask::ask;
use super::patience::READ;
use super::ready::{Lent, Ready, WAIT};
use super::rows::{Col, Parameter, each};
use super::{Arg, Row};
use crate::error::StoreError;

/// Readers of one statement: of the longest pages (201 rows of 1 kB) it gives 6 MB.
const READERS_MAX: usize = 32;
/// Statements of one shape at once. The second is under way while the first one's rows are taken; more would only be smaller.
const LANES: usize = 2;
/// How long a reader waits: for a turn, and for the answer.
const PATIENCE: Duration = WAIT.saturating_add(READ);

/// Those who read, by the statement that they read with. A clone is another handle on the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Together(Arc<Mutex<Shapes>>);

type Shapes = HashMap<Arc<str>, Shape>;

#[derive(Debug, Default)]
struct Shape {
    waiting: VecDeque<Waiting>,
    lanes: usize,
}

#[derive(Debug)]
struct Waiting {
    parameters: Vec<Parameter>,
    tell: oneshot::Sender<Answer>,
}

#[derive(Debug)]
enum Answer {
    Rows(Vec<PgRow>),
    /// Together it was refused: what each one's parameters come to, each finds out.
    Alone(Vec<Parameter>),
    Failed(Arc<sqlx::Error>),
}

impl Together {
    /// All rows of a query, which may be asked together with others. Its parameters are single values.
    pub(super) async fn fetch_all(
        &self,
        ready: &Ready,
        sql: &str,
        args: Vec<Arg>,
    ) -> Result<Vec<Row>, StoreError> {
        let parameters = args.into_iter().map(Parameter::one).collect::<Result<_, _>>()?;
        let (tell, told) = oneshot::channel();
        self.join(ready, sql, Waiting { parameters, tell });
        let answer = tokio::time::timeout(PATIENCE, told).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        // Who asks for others goes without an answer only with its runtime.
        let rows = match answer.map_err(|_| sqlx::Error::WorkerCrashed)? {
            Answer::Rows(rows) => rows,
            Answer::Alone(parameters) => {
                let lent = ready.lend().await?;
                ask(lent, sql, parameters, |connection, query| connection.fetch_all(query)).await?
            }
            Answer::Failed(error) => return Err(StoreError::Database(error)),
        };
        Ok(rows.into_iter().map(Row::from).collect())
    }

    /// Takes a place, and sees to it that someone asks.
    fn join(&self, ready: &Ready, sql: &str, waiting: Waiting) {
        let mut shapes = self.lock();
        if let Some(shape) = shapes.get_mut(sql) {
            shape.waiting.push_back(waiting);
            if shape.lanes == LANES {
                return;
            }
            shape.lanes += 1;
        } else {
            shapes.insert(sql.into(), Shape { waiting: [waiting].into(), lanes: 1 });
        }
        drop(shapes);
        let lane = Lane { together: self.clone(), sql: sql.into(), left: false };
        // A task of its own: a reader who goes away takes nobody along.
        tokio::spawn(lane.run(ready.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, Shapes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for those who wait with one shape, as long as there are any.
struct Lane {
    together: Together,
    sql: Arc<str>,
    left: bool,
}

impl Lane {
    async fn run(mut self, ready: Ready) {
        while self.is_needed() {
            // First the turn, then those who have come by then.
            let lent = ready.lend().await;
            let readers = self.take();
            match lent {
                Err(error) => fail(readers, error),
                Ok(lent) if readers.is_empty() => lent.keep(),
                Ok(lent) => self.answer(lent, readers).await,
            }
        }
    }

    /// Whether someone waits. When nobody does, this lane is none any more.
    fn is_needed(&mut self) -> bool {
        let together = self.together.clone();
        let mut shapes = together.lock();
        let waits = shapes.get(&self.sql).is_some_and(|shape| !shape.waiting.is_empty());
        if !waits {
            self.leave(&mut shapes);
        }
        waits
    }

    /// The last one to leave takes those who still wait along: their answer will not come.
    fn leave(&mut self, shapes: &mut Shapes) {
        self.left = true;
        if let Some(shape) = shapes.get_mut(&self.sql) {
            shape.lanes -= 1;
            if shape.lanes == 0 {
                shapes.remove(&self.sql);
            }
        }
    }

    fn take(&self) -> Vec<Waiting> {
        let mut shapes = self.together.lock();
        let Some(shape) = shapes.get_mut(&self.sql) else { return Vec::new() };
        let count = shape.waiting.len().min(READERS_MAX);
        // Whoever has gone away is not asked for.
        shape.waiting.drain(..count).filter(|reader| !reader.tell.is_closed()).collect()
    }

    async fn answer(&self, lent: Lent, readers: Vec<Waiting>) {
        if let [reader] = &readers[..] {
            let parameters = reader.parameters.clone();
            match ask(lent, &self.sql, parameters, |connection, query| connection.fetch_all(query)).await {
                Ok(rows) => tell(readers, [Answer::Rows(rows)]),
                Err(error) => fail(readers, error),
            }
            return;
        }
        let Some((sql, parameters)) = joint(&self.sql, &readers) else { return alone(readers) };
        let rows = ask(lent, &sql, parameters, |connection, query| connection.fetch_all(query)).await;
        match rows.and_then(|rows| split(rows, readers.len())) {
            Ok(answers) => tell(readers, answers.into_iter().map(Answer::Rows)),
            // The database said so, of one of them or of the session: they find out whose it was.
            Err(sqlx::Error::Database(_)) => alone(readers),
            Err(error) => fail(readers, error),
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if !self.left {
            let together = self.together.clone();
            self.leave(&mut together.lock());
        }
    }
}

/// Whoever does not wait any more is told nothing.
fn tell(readers: Vec<Waiting>, answers: impl IntoIterator<Item = Answer>) {
    for (reader, answer) in readers.into_iter().zip(answers) {
        drop(reader.tell.send(answer));
    }
}

fn alone(readers: Vec<Waiting>) {
    for Waiting { parameters, tell } in readers {
        drop(tell.send(Answer::Alone(parameters)));
    }
}

fn fail(readers: Vec<Waiting>, error: sqlx::Error) {
    let error = Arc::new(error);
    tell(readers, std::iter::repeat_with(|| Answer::Failed(Arc::clone(&error))));
}

/// One statement for several readers: the shape beside each one's parameters, with the reader's number before its columns. None when
/// their parameters are not of the same types.
fn joint(sql: &str, readers: &[Waiting]) -> Option<(String, Vec<Parameter>)> {
    let first = readers.first()?;
    let types: Vec<Col> = first.parameters.iter().map(Parameter::column).collect::<Option<_>>()?;
    let mut arrays: Vec<Parameter> = types.iter().map(|column| column.array(readers.len())).collect();
    for reader in readers.iter().filter(|reader| reader.parameters.len() == types.len()) {
        for (array, value) in arrays.iter_mut().zip(&reader.parameters) {
            array.extend(value.clone()).ok()?;
        }
    }
    if arrays.iter().any(|array| array.len() != readers.len()) {
        return None;
    }
    let (mut asked, mut named) = (String::new(), String::new());
    for (at, column) in types.iter().enumerate() {
        // Within a sub-select an array's length is unknown to the planner: one plan then serves any number, and is kept.
        let _ = write!(asked, "(SELECT ${}::{}[]), ", at + 1, column.sql());
        let _ = write!(named, "p{}, ", at + 1);
    }
    let mut shape = String::with_capacity(sql.len() + 64);
    let mut known = true;
    let rest = each(sql, |before, number, column| {
        known &= column.is_none() && (1..=types.len()).contains(&number);
        let _ = write!(shape, "{before}q.p{number}");
    });
    shape.push_str(rest);
    let asked = asked.trim_end_matches(", ");
    // The offset keeps the shape a question of its own for each reader, whose parameters are looked up in indexes: it is not
    // planned as a join, which may read a table whole.
    let sql = format!(
        "SELECT q.reader, t.* FROM UNNEST({asked}) WITH ORDINALITY AS q ({named}reader) \
         CROSS JOIN LATERAL ({shape} OFFSET 0) AS t"
    );
    known.then_some((sql, arrays))
}

/// The rows of each reader, in order.
fn split(rows: Vec<PgRow>, readers: usize) -> Result<Vec<Vec<PgRow>>, sqlx::Error> {
    let mut answers: Vec<Vec<PgRow>> = (0..readers).map(|_| Vec::new()).collect();
    for row in rows {
        let number: i64 = row.try_get(0)?;
        let answer = usize::try_from(number - 1).ok().and_then(|at| answers.get_mut(at));
        answer.ok_or_else(|| sqlx::Error::Protocol("rows of a reader who did not ask".to_owned()))?.push(row);
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    fn reader(args: Vec<Arg>) -> Waiting {
        let parameters = args.into_iter().map(|arg| Parameter::one(arg).unwrap()).collect();
        Waiting { parameters, tell: oneshot::channel().0 }
    }

    #[test]
    fn one_statement_has_the_parameters_of_all() {
        let shape = "SELECT a FROM t WHERE b = $2 AND c < $1 ORDER BY a LIMIT $1";
        let readers = [reader(args![5_i64, "x"]), reader(vec![Arg::OptInt(None), "y".into()])];
        let (sql, parameters) = joint(shape, &readers).unwrap();
        assert_eq!(
            sql,
            "SELECT q.reader, t.* FROM UNNEST((SELECT $1::bigint[]), (SELECT $2::text[])) WITH ORDINALITY AS q (p1, p2, reader) \
             CROSS JOIN LATERAL (SELECT a FROM t WHERE b = q.p2 AND c < q.p1 ORDER BY a LIMIT q.p1 OFFSET 0) AS t"
        );
        let texts = vec![Some("x".to_owned()), Some("y".to_owned())];
        assert_eq!(parameters, [Parameter::Ints(vec![Some(5), None]), Parameter::Texts(texts)]);
    }

    #[test]
    fn what_does_not_go_together_is_not_joined() {
        let shape = "SELECT $1";
        assert!(joint(shape, &[reader(args![5_i64]), reader(args!["x"])]).is_none(), "of two types");
        assert!(joint(shape, &[reader(args![5_i64]), reader(args![5_i64, 6_i64])]).is_none(), "one has more");
        assert!(joint("SELECT $2", &[reader(args![5_i64]), reader(args![6_i64])]).is_none(), "not given");
    }
}
