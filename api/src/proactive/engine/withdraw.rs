//! Taking offers back: when something happens to the record that caused one.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use domain::trigger::{Rules, SceneRecord};
use projections::offers;
use serde_json::{Value, json};
use uuid::Uuid;

use super::judge::What;
use super::library::Library;
use super::standing::{Fallen, correction, fallen, judge_corrected};
use super::{Engine, EngineError, WAIT};
use crate::proactive::offer::{Offer, Stage};

impl Engine {
    /// Looks again at the offers that these records caused. `after` and `to` are the positions of the batch.
    pub(super) async fn reconsider(
        &self,
        rules: &Rules,
        records: &BTreeSet<Uuid>,
        (after, to): (u64, u64),
    ) -> Result<(), EngineError> {
        if records.is_empty() {
            return Ok(());
        }
        // Everything that any server has proposed by now must be seen: also what this one found to be there already.
        let committed = self.store().position().await?;
        self.projections().wait_for("offers", committed, WAIT).await?;
        let records: Vec<Uuid> = records.iter().copied().collect();
        let caused = offers::caused_by(self.store().db(), &records).await?;
        for found in caused.iter().filter(|offer| is_alive(&offer.status)) {
            let Some(offer) = Offer::read(self.registry(), found.record).await? else { continue };
            if let Some(fallen) = self.fell_away(rules, &offer, (after, to)).await? {
                self.take_back(&offer, &fallen).await?;
            }
        }
        Ok(())
    }

    /// Has the cause of an offer fallen away?
    async fn fell_away(
        &self,
        rules: &Rules,
        offer: &Offer,
        (after, to): (u64, u64),
    ) -> Result<Option<Fallen>, EngineError> {
        let Some(made) = Made::of(offer) else { return Ok(None) };
        let Some(rule) = rules.version(made.rule, made.rule_version) else { return Ok(None) };
        let rule = Arc::clone(&rule.rule);
        let mut library = Library::default();
        library.read(self.registry(), [made.record]).await?;
        if let Some(fallen) = fallen(&library, &rule, made.record, &made.what) {
            return Ok(Some(fallen));
        }
        // A correction is judged when it comes: judged again later, it would be the same.
        let corrected = correction(library.events(made.record), made.version);
        if !corrected.is_some_and(|event| after < event.position && event.position <= to) {
            return Ok(None);
        }
        let mut persons = library.until(u64::MAX).record(made.record).map(SceneRecord::people);
        persons.get_or_insert_default().insert(offer.person);
        library.gather(self.registry(), [&*rule], persons.unwrap_or_default()).await?;
        let evaluated = (made.position, made.today);
        let cause = (made.record, made.what, offer.person);
        Ok(judge_corrected(Arc::new(library), rule, cause, evaluated).await)
    }

    /// Withdraws an offer; what was provided already, an official decides on.
    async fn take_back(&self, offer: &Offer, fallen: &Fallen) -> Result<(), EngineError> {
        let cause = offer.member("cause").cloned().unwrap_or_default();
        let because =
            json!({ "register": cause["register"], "record": cause["record"], "version": fallen.version });
        let is_provided = offer.stage() == Stage::Provided || offer.effect() == "provide";
        match offer.stage() {
            Stage::Open | Stage::Accepted | Stage::Provided if is_provided => {
                self.refer(offer, &fallen.reason, Some(because)).await
            }
            Stage::Open | Stage::Accepted => {
                let body = json!({ "reason": fallen.reason, "because": because });
                if self.answer(offer.record, "withdrawn", body).await? {
                    self.count(|counts| counts.withdrawn += 1);
                }
                Ok(())
            }
            Stage::Provided | Stage::Referred | Stage::Over => Ok(()),
        }
    }
}

fn is_alive(status: &str) -> bool {
    matches!(status, "proposed" | "seen" | "accepted" | "provided")
}

/// How an offer was made, as its own content says.
struct Made {
    rule: Uuid,
    rule_version: u64,
    record: Uuid,
    /// The version of the record that was known: corrections after it count.
    version: u64,
    what: What,
    position: u64,
    today: NaiveDate,
}

impl Made {
    fn of(offer: &Offer) -> Option<Self> {
        let (rule, cause, evaluated) =
            (offer.member("rule")?, offer.member("cause")?, offer.member("evaluated")?);
        let day = |value: &Value| value.as_str()?.parse().ok();
        let version = cause["version"].as_u64()?;
        let what = match cause["kind"].as_str()? {
            "date" => What::Date { base: day(&cause["base"])?, due: day(&cause["due"])? },
            _ => What::Entry { version },
        };
        Some(Self {
            rule: rule["record"].as_str()?.parse().ok()?,
            rule_version: rule["version"].as_u64()?,
            record: cause["record"].as_str()?.parse().ok()?,
            version,
            what,
            position: evaluated["position"].as_u64()?,
            today: day(&evaluated["today"])?,
        })
    }
}
