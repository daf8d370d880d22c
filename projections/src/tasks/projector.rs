//! Writes a row for each record that waits for a department, and takes it away when it no longer does.

use domain::platform::{ACCESSES, OFFERS, REQUESTS};
use eventstore::{
    args,
    sql::{Col, Dialect, RowSet},
};
use serde_json::Value;

use crate::{
    Batch, ProjectionError, Projector, Write,
    batch::{Life, Step},
    common::plain,
    table::Table,
};

const TASKS: Table = Table {
    name: "task_record",
    key: 1,
    columns: &[
        ("record", Col::Blob),
        ("register", Col::Text),
        ("department", Col::Text),
        ("status", Col::Text),
        ("person", Col::Blob),
        ("service", Col::Text),
        ("title_ru", Col::Text),
        ("title_en", Col::Text),
        ("version", Col::Int),
        ("since_position", Col::Int),
        ("since_at", Col::Int),
    ],
};

const REGISTERS: [&str; 3] = [REQUESTS, OFFERS, ACCESSES];

/// In which statuses a record of a register waits for a department.
fn waits(register: &str, status: &str) -> bool {
    match register {
        REQUESTS => matches!(status, "submitted" | "in-work"),
        OFFERS => status == "referred",
        ACCESSES => status == "questioned",
        _ => false,
    }
}

/// The projector of tasks.
#[derive(Debug)]
pub struct TasksProjector;

impl Projector for TasksProjector {
    fn name(&self) -> &'static str {
        "tasks"
    }

    fn version(&self) -> i64 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        &[TASKS]
    }

    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        let (mut gone, mut rows) = (RowSet::new(), RowSet::new());
        for life in batch.lives.iter().filter(|life| REGISTERS.contains(&life.register.as_str())) {
            if !life.first().fresh {
                gone.push(args![life.record]);
            }
            // Without its body, nobody could say whose task it is.
            let _ = row(&mut rows, life);
        }
        Ok(vec![Write::delete(dialect, &TASKS, 1, gone), Write::upsert(dialect, &TASKS, rows)])
    }
}

fn row(rows: &mut RowSet, life: &Life) -> Option<()> {
    let (last, since) = (life.last(), waiting_since(life)?);
    let content = &last.content.members;
    let title = |language: &str| content.get("title")?.get(language)?.as_str().map(plain);
    rows.push(args![
        life.record,
        life.register.as_str(),
        content.get("department")?.as_str().map(plain)?,
        &last.after.status,
        last.after.subjects.iter().find_map(domain::subject::Subject::person),
        content.get("service").and_then(Value::as_str).map(plain),
        title("ru"),
        title("en"),
        last.version,
        since.position,
        since.recorded_at,
    ]);
    Some(())
}

/// The step from which on the record has waited without a pause; nothing when it does not wait.
fn waiting_since(life: &Life) -> Option<&Step> {
    let waiting = |step: &&Step| waits(life.register.as_str(), &step.after.status);
    life.steps().iter().rev().take_while(waiting).last()
}
