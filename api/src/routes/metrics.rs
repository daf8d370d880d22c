//! `GET /metrics`: measurements in the Prometheus text format (OpenMetrics).

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use eventstore::{Histogram, LogHead, Published};
use projections::Status;
use proofs::slug::Slug;
use proofs::time::Timestamp;

use crate::http::AppState;
use crate::problem::Problem;
use crate::withholding::Withholding;
use crate::witnesses::{Faulty, Witnesses};

/// Everything that is measured. Operators keep it from the public in front of the server.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "Service",
    responses((status = 200, description = "The measurements", body = String, content_type = "application/openmetrics-text")))]
pub async fn get_metrics(State(state): State<AppState>) -> Result<impl IntoResponse, Problem> {
    let statuses = projections::statuses(state.store()).await?;
    let logs = state.store().logs().await?;
    let messages = crate::webhooks::counts(state.store()).await?;
    let mut text = state.metrics().text();
    // Writing to a String cannot fail.
    let _ = appender(&mut text, &state);
    let _ = crate::http::admission::metrics::write(&mut text, state.admission());
    let _ = certificate(&mut text, &state);
    let _ = projection(&mut text, &statuses, &state);
    let _ = registers(&mut text, &logs);
    let _ = crate::feeds::metrics::write(&mut text, &state, messages);
    let _ = proposals(&mut text, &state);
    if let Some(witnesses) = state.witnesses() {
        let published = state.store().all_published().await?;
        let faulty = witnesses.faulty(state.store()).await?;
        let _ = witnessing(&mut text, witnesses, &logs, &published, &faulty);
    }
    let _ = register_lags(&mut text, &logs, &statuses, state.store().clock().now());
    text.push_str("# EOF\n");
    let headers = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    Ok((headers, text))
}

fn appender(text: &mut String, state: &AppState) -> fmt::Result {
    let metrics = state.store().metrics();
    histogram(
        text,
        "reestr_append_seconds",
        "From a submission's arrival to its answer",
        metrics.latency_micros(),
        1e-6,
    )?;
    histogram(
        text,
        "reestr_append_batch_entries",
        "Entries of a batch that was committed",
        metrics.batch_entries(),
        1.0,
    )?;
    for (name, help, value) in [
        ("reestr_appended_entries", "Entries appended by this process", metrics.entries()),
        ("reestr_append_refused", "Submissions refused for a conflict", metrics.refused()),
        (
            "reestr_append_overloaded",
            "Submissions turned away because the queue was full",
            metrics.overloaded(),
        ),
        ("reestr_append_failed_batches", "Batches that failed as a whole", metrics.failed_batches()),
        (
            "reestr_append_decided_again",
            "Batches decided twice, as another shard's came between",
            metrics.decided_again(),
        ),
        ("reestr_append_unlocked", "Batches written without a lock", metrics.unlocked()),
        (
            "reestr_append_overtaken",
            "Batches that began without a lock, when another server was first",
            metrics.overtaken(),
        ),
        (
            "reestr_append_mistaken",
            "Batches decided again, as not all that they make was new",
            metrics.mistaken(),
        ),
    ] {
        writeln!(text, "# HELP {name} {help}.\n# TYPE {name} counter\n{name}_total {value}")?;
    }
    let (name, removed) =
        ("reestr_withheld_removed_again", state.withholding().map_or(0, Withholding::removed_again));
    writeln!(
        text,
        "# HELP {name} Bodies that were there though an order withholds them, and were removed again."
    )?;
    writeln!(text, "# TYPE {name} counter\n{name}_total {removed}")?;
    let name = "reestr_append_waiting";
    writeln!(
        text,
        "# HELP {name} Entries that wait to be appended.\n# TYPE {name} gauge\n{name} {}",
        metrics.waiting()
    )?;
    for (name, help, value) in [
        (
            "reestr_clock_ahead_seconds",
            "How far this clock was ahead of the database's when they were compared last",
            metrics.clock_ahead_seconds(),
        ),
        (
            "reestr_recorded_ahead_seconds",
            "How far the last entry's time of recording was ahead of this clock",
            metrics.recorded_ahead_seconds(),
        ),
    ] {
        writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge")?;
        unit(text, name)?;
        writeln!(text, "{name} {value}")?;
    }
    let name = "reestr_append_refused_by_clock";
    let refuses = u8::from(metrics.clock_refuses());
    writeln!(text, "# HELP {name} Whether entries are refused for it.\n# TYPE {name} gauge\n{name} {refuses}")
}

/// When the certificate ends, in seconds since 1970.
fn certificate(text: &mut String, state: &AppState) -> fmt::Result {
    let Some(tls) = state.tls() else { return Ok(()) };
    let (name, ends) = ("reestr_tls_certificate_ends_seconds", tls.expires_at().millis() / 1_000);
    writeln!(text, "# HELP {name} When the certificate ends (Unix time).\n# TYPE {name} gauge")?;
    unit(text, name)?;
    writeln!(text, "{name} {ends}")
}

fn histogram(text: &mut String, name: &str, help: &str, histogram: &Histogram, scale: f64) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}.\n# TYPE {name} histogram")?;
    unit(text, name)?;
    let mut seen = 0;
    for (bound, count) in histogram.buckets() {
        seen += count;
        match bound {
            // A float, with its point (OpenMetrics).
            Some(bound) => writeln!(text, "{name}_bucket{{le=\"{:?}\"}} {seen}", float(bound) * scale)?,
            None => writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {seen}")?,
        }
    }
    writeln!(text, "{name}_sum {}\n{name}_count {seen}", float(histogram.sum()) * scale)
}

/// A metric in a unit is named for it (OpenMetrics).
fn unit(text: &mut String, name: &str) -> fmt::Result {
    if name.ends_with("_seconds") { writeln!(text, "# UNIT {name} seconds") } else { Ok(()) }
}

/// Name, help, and what it is of a projection.
type Gauge<'a> = (&'a str, &'a str, &'a dyn Fn(&Status) -> u64);

fn projection(text: &mut String, statuses: &[Status], state: &AppState) -> fmt::Result {
    let now = state.store().clock().now();
    let gauges: [Gauge<'_>; 5] = [
        ("reestr_projection_position", "Last position applied", &|status| status.position),
        ("reestr_projection_lag_positions", "Entries committed and not applied yet", &|status| status.lag),
        ("reestr_projection_lag_seconds", "How long the first of them has waited", &|status| {
            status.lag_seconds(now)
        }),
        ("reestr_projection_paused", "Whether it stands at an entry that cannot be applied", &|status| {
            u64::from(!status.pauses.is_empty())
        }),
        ("reestr_projection_skips", "Entries that it leaves out", &|status| status.skips),
    ];
    for (name, help, value) in gauges {
        writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge")?;
        unit(text, name)?;
        for status in statuses {
            writeln!(text, "{name}{{projection=\"{}\"}} {}", status.name, value(status))?;
        }
    }
    let name = "reestr_projection_failures";
    writeln!(
        text,
        "# HELP {name} Errors of a projector of this process since its last success.\n# TYPE {name} gauge"
    )?;
    for projector in state.projections().states() {
        writeln!(text, "{name}{{projection=\"{}\"}} {}", projector.name, projector.failures)?;
    }
    Ok(())
}

/// What the engine of proposals of this process has done, and where it is.
fn proposals(text: &mut String, state: &AppState) -> fmt::Result {
    let Some(engine) = state.proactive().map(crate::proactive::Handle::state) else { return Ok(()) };
    for (name, help, value) in [
        ("reestr_proposals_position", "Last position whose consequences are all there", engine.position),
        ("reestr_proposals_failures", "Errors of the engine since its last success", engine.failures.into()),
    ] {
        writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}")?;
    }
    let (name, counts) = ("reestr_offers", engine.counts);
    writeln!(text, "# HELP {name} What this process did with offers.\n# TYPE {name} counter")?;
    for (what, value) in [
        ("proposed", counts.proposed),
        ("provided", counts.provided),
        ("withdrawn", counts.withdrawn),
        ("referred", counts.referred),
        ("expired", counts.expired),
        ("faults", counts.faults),
    ] {
        writeln!(text, "{name}_total{{what=\"{what}\"}} {value}")?;
    }
    Ok(())
}

fn registers(text: &mut String, logs: &[LogHead]) -> fmt::Result {
    let name = "reestr_register_entries";
    writeln!(text, "# HELP {name} Entries of a register.\n# TYPE {name} gauge")?;
    for log in logs {
        writeln!(text, "{name}{{register=\"{}\"}} {}", log.register, log.size)?;
    }
    Ok(())
}

/// What is not published yet, what witnesses hold against it, and what they answered to this process.
fn witnessing(
    text: &mut String,
    witnesses: &Witnesses,
    logs: &[LogHead],
    published: &BTreeMap<Slug, Published>,
    faulty: &[Faulty],
) -> fmt::Result {
    let name = "reestr_register_unpublished_entries";
    writeln!(text, "# HELP {name} Entries that no published checkpoint covers yet.\n# TYPE {name} gauge")?;
    for log in logs {
        let shown = published.get(&log.register).map_or(0, |shown| shown.size);
        writeln!(text, "{name}{{register=\"{}\"}} {}", log.register, log.size.saturating_sub(shown))?;
    }
    let name = "reestr_register_contradicted";
    writeln!(text, "# HELP {name} Witnesses that cosigned what the store has not.\n# TYPE {name} gauge")?;
    for log in logs {
        let count = faulty.iter().filter(|found| found.register == log.register).count();
        writeln!(text, "{name}{{register=\"{}\"}} {count}", log.register)?;
    }
    let name = "reestr_witness_answers";
    writeln!(text, "# HELP {name} What witnesses answered to this process.\n# TYPE {name} counter")?;
    for ((witness, answer), count) in witnesses.answers() {
        let witness = escaped(&witness);
        writeln!(text, "{name}_total{{witness=\"{witness}\",answer=\"{answer}\"}} {count}")?;
    }
    Ok(())
}

/// A label's value (OpenMetrics): a policy's names may have anything in them but spaces.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Name, help, and which half of a lag it is: entries, or seconds.
type LagGauge<'a> = (&'a str, &'a str, fn((u64, u64)) -> u64);

/// What each projection has still to apply, by register: as many series as registers times projections.
fn register_lags(text: &mut String, logs: &[LogHead], statuses: &[Status], now: Timestamp) -> fmt::Result {
    let gauges: [LagGauge<'_>; 2] = [
        ("reestr_register_lag_positions", "Entries of a register committed and not applied yet", |lag| lag.0),
        ("reestr_register_lag_seconds", "How long the first of them has waited", |lag| lag.1),
    ];
    for (name, help, of) in gauges {
        writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge")?;
        unit(text, name)?;
        for status in statuses {
            for log in logs {
                let value = of(status.lag_of(&log.register, now));
                let (projection, register) = (status.name, &log.register);
                writeln!(text, "{name}{{projection=\"{projection}\",register=\"{register}\"}} {value}")?;
            }
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a measurement past 2^53 may lose its last digit")]
fn float(value: u64) -> f64 {
    value as f64
}
