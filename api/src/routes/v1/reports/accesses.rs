//! `GET /v1/reports/accesses`: what is unusual in how officials look.

use axum::Json;
use axum::extract::State;
use chrono::DateTime;
use domain::platform::ACCESSES;
use projections::accesses::{self as looks, Many, Pattern, Report, Thresholds};
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::accesses::{Disclosure, Endpoint, Looker, Purpose, disclose_in};
use crate::auth::{Caller, Principal};
use crate::http::AppState;
use crate::http::extract::Query;
use crate::http::wait::WaitFor;
use crate::problem::{self, Problem, ProblemDocument};
use crate::registry::Registry;

/// Days that a report covers when nothing is said.
const DAYS_DEFAULT: i64 = 30;
/// Accesses that a finding names; what it counts is not bounded by that.
const EVIDENCE_MAX: usize = 100;
/// No threshold is larger: a year of minutes.
const THRESHOLD_MAX: u32 = 527_040;
/// Zones are at most 14 hours ahead of UTC, and 12 behind.
const OFFSETS: std::ops::RangeInclusive<i32> = -720..=840;

/// Over which time, and from where on something is unusual.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// Accesses recorded at this time (RFC 3339) or later; 30 days before `to` when nothing is said.
    pub from: Option<String>,
    /// Accesses recorded before this time; now when nothing is said.
    pub to: Option<String>,
    /// Persons at whom one official looks within `minutes`: 60 when nothing is said.
    pub persons: Option<u32>,
    /// Length of that time: 60 minutes when nothing is said.
    pub minutes: Option<u32>,
    /// Persons for whom one official gives one purpose: 20 when nothing is said.
    pub purpose_persons: Option<u32>,
    /// So many days after its last entry about a person a department still has to do with them: 30 when nothing is said.
    pub recent_days: Option<u32>,
    /// Where the night (22:00 to 6:00) is: minutes ahead of UTC; 180, Moscow's, when nothing is said.
    pub utc_offset: Option<i32>,
}

/// What is unusual in how officials look. Departments' systems, auditors and third parties are left out: they read many.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportDocument {
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// From where on something was unusual.
    pub thresholds: ThresholdsItem,
    /// Looks of officials in that time.
    pub looks: usize,
    /// How many officials looked.
    pub officials: usize,
    /// At persons with whom their department had nothing to do: no record in force, no entry in the last days, nothing that
    /// waited.
    pub outside_cases: Vec<FindingItem>,
    /// At many persons in a short time.
    pub many_persons: Vec<FindingItem>,
    /// At what concerns themselves.
    pub own_records: Vec<FindingItem>,
    /// By night.
    pub night: Vec<FindingItem>,
    /// With one purpose at many persons.
    pub same_purpose: Vec<FindingItem>,
}

/// From where on something is unusual.
#[derive(Debug, Serialize, ToSchema)]
pub struct ThresholdsItem {
    /// Persons of one official in a short time.
    pub persons: usize,
    /// That time.
    pub minutes: u32,
    /// Persons for whom one official gives one purpose.
    pub purpose_persons: usize,
    /// Days for which an entry makes a case.
    pub recent_days: u32,
    /// Minutes ahead of UTC.
    pub utc_offset: i32,
}

/// Looks of one official that have something in common.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingItem {
    /// The department that they acted for.
    pub department: String,
    /// The official: their record in `persons`.
    pub official: Uuid,
    /// Persons whom the looks concern.
    pub persons: usize,
    /// How many looks.
    pub looks: usize,
    /// The first of them, at most 100: records in `accesses`.
    pub evidence: Vec<Uuid>,
    /// The first look, of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// The last look, of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// The most persons within `minutes`, of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak: Option<usize>,
    /// The purpose, where it is what they have in common.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

impl From<Pattern> for FindingItem {
    fn from(pattern: Pattern) -> Self {
        Self {
            department: pattern.department.to_string(),
            official: pattern.official,
            persons: pattern.persons,
            looks: pattern.accesses.len(),
            evidence: pattern.accesses.into_iter().take(EVIDENCE_MAX).collect(),
            from: None,
            to: None,
            peak: None,
            purpose: None,
        }
    }
}

impl ReportDocument {
    /// Of a report.
    pub fn of(report: Report, (from, to): (Timestamp, Timestamp), thresholds: &Thresholds) -> Self {
        let items =
            |patterns: Vec<Pattern>| -> Vec<FindingItem> { patterns.into_iter().map(Into::into).collect() };
        let run = |run: looks::Run| FindingItem {
            from: Some(run.from),
            to: Some(run.to),
            peak: Some(run.peak),
            ..run.pattern.into()
        };
        let one = |same: looks::Purposes| FindingItem { purpose: Some(same.purpose), ..same.pattern.into() };
        Self {
            from,
            to,
            thresholds: ThresholdsItem {
                persons: thresholds.many.persons,
                minutes: thresholds.many.minutes,
                purpose_persons: thresholds.same_purpose_persons,
                recent_days: thresholds.recent_days,
                utc_offset: thresholds.utc_offset_minutes,
            },
            looks: report.looks,
            officials: report.officials,
            outside_cases: items(report.outside_cases),
            many_persons: report.many_persons.into_iter().map(run).collect(),
            own_records: items(report.own_records),
            night: items(report.night),
            same_purpose: report.same_purpose.into_iter().map(one).collect(),
        }
    }
}

impl ReportQuery {
    /// The time that is asked for, as of now.
    pub fn period(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), String> {
        let to = self.to.as_deref().map(|text| time("to", text)).transpose()?.unwrap_or(now);
        let month = to.millis().saturating_sub(DAYS_DEFAULT * 86_400_000);
        let from = self.from.as_deref().map(|text| time("from", text)).transpose()?;
        let from = from.or_else(|| Timestamp::try_from(month).ok()).unwrap_or(to);
        if from < to { Ok((from, to)) } else { Err("`from` is a time before `to`.".to_owned()) }
    }

    /// From where on something is unusual, for whoever asks.
    pub fn thresholds(&self) -> Result<Thresholds, String> {
        let default = Thresholds::default();
        let count = |name: &str, asked: Option<u32>, default: u32| match asked.unwrap_or(default) {
            0 if name != "recent_days" => Err(format!("`{name}` is 1 or more.")),
            many if many > THRESHOLD_MAX => Err(format!("`{name}` is {THRESHOLD_MAX} or less.")),
            some => Ok(some),
        };
        let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let offset = self.utc_offset.unwrap_or(default.utc_offset_minutes);
        if !OFFSETS.contains(&offset) {
            return Err(format!("`utc_offset` is {} to {} minutes.", OFFSETS.start(), OFFSETS.end()));
        }
        let purpose_persons = narrow(default.same_purpose_persons);
        Ok(Thresholds {
            many: Many {
                persons: size(count("persons", self.persons, narrow(default.many.persons))?),
                minutes: count("minutes", self.minutes, default.many.minutes)?,
            },
            same_purpose_persons: size(count("purpose_persons", self.purpose_persons, purpose_persons)?),
            recent_days: count("recent_days", self.recent_days, default.recent_days)?,
            utc_offset_minutes: offset,
        })
    }
}

fn time(name: &str, text: &str) -> Result<Timestamp, String> {
    let parsed = DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis());
    let parsed = parsed.and_then(|millis| Timestamp::try_from(millis).ok());
    parsed.ok_or_else(|| format!("`{name}` is a time as 2026-01-31T09:00:00Z."))
}

/// What is unusual in how officials look, for auditors who may see `accesses`: outside their department's cases, many persons
/// in a short time, their own records, by night, one purpose for many. Each finding names accesses as evidence; it is a
/// reason to ask, and no verdict.
#[utoipa::path(get, path = "/v1/reports/accesses", operation_id = "reportAccesses", tag = "Verification",
    security(("bearer" = [])),
    params(ReportQuery, Purpose, ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same")),
    responses(
        (status = 200, description = "The report", body = ReportDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn report_accesses(
    State(state): State<AppState>,
    caller: Caller,
    purpose: Purpose,
    Query(query): Query<ReportQuery>,
    wait: WaitFor,
) -> Result<Json<ReportDocument>, Problem> {
    let register: Slug = ACCESSES.parse().map_err(|error| Problem::internal(&error))?;
    if !matches!(&caller.principal, Principal::Auditor { bodies } if bodies.include(&register)) {
        let detail = "The report is for auditors whose scope has the bodies of `accesses`.";
        return Err(Problem::new(problem::FORBIDDEN, detail));
    }
    let period = query.period(state.store().clock().now()).map_err(Problem::invalid)?;
    let thresholds = query.thresholds().map_err(Problem::invalid)?;
    for projection in ["accesses", "account"] {
        wait.hold(&state, projection).await?;
    }
    let knowledge = state.registry().knowledge();
    let report = looks::report(state.store(), &knowledge.definitions, period, &thresholds).await?;
    let report = report.ok_or_else(|| {
        let most = looks::ACCESSES_MAX;
        Problem::invalid(format!(
            "Officials looked more than {most} times in that time; ask for a shorter one."
        ))
    })?;
    look(state.registry(), Looker::from(&caller), &purpose).await?;
    Ok(Json(ReportDocument::of(report, period, &thresholds)))
}

/// Writes down that a report is made: of the whole register, which is what was looked at.
pub async fn look(registry: &Registry, looker: Looker, purpose: &Purpose) -> Result<(), Problem> {
    let register: Slug = ACCESSES.parse().map_err(|error| Problem::internal(&error))?;
    let size = registry.store().log(&register).await?.map_or(0, |log| log.size);
    let ends = if size == 0 { vec![] } else { vec![0, size - 1] };
    let of = |index: u64| Disclosure::new(&register, Uuid::nil(), Vec::new()).at(index);
    let shown: Vec<Disclosure> = ends.into_iter().map(of).collect();
    disclose_in(registry, looker, purpose, Endpoint::Report, &shown).await
}
