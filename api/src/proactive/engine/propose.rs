//! Making offers of what was found, each once, and providing what is provided without being asked.

use std::collections::{BTreeMap, BTreeSet};

use domain::platform::OFFERS;
use serde_json::json;
use uuid::Uuid;

use super::judge::{Found, Provide};
use super::library::{Library, slug};
use super::standing::fallen;
use super::{Engine, EngineError};
use crate::proactive::offer::{Offer, Stage};
use crate::proactive::settings;
use crate::proactive::submit::{OFFERS_CLIENT, first, platform_entry};
use crate::registry::{Actor, AppendRequest, EntryRequest, Outcome, Reason, Refusal};

/// Offers in one submission: at about 3 kB each, a third of a megabyte of one batch.
const SUBMISSION_OFFERS: usize = 100;
/// Letters of a reason that an offer keeps.
const REASON_CHARACTERS_MAX: usize = 2_000;

impl Engine {
    /// Makes the offers that are not there yet, and completes those whose effect was cut short. Answers with how many were
    /// made.
    pub(super) async fn propose(&self, library: &Library, found: Vec<Found>) -> Result<u64, EngineError> {
        let mut offers = self.existing(&found).await?;
        let found = self.wanted(library, found, &offers).await?;
        let missing: Vec<&Found> = found.iter().filter(|found| !offers.contains_key(&found.key)).collect();
        let mut made = 0;
        for some in missing.chunks(SUBMISSION_OFFERS) {
            made += self.make(some, &mut offers).await?;
        }
        for found in &found {
            if let (Some(provide), Some(offer)) = (&found.provide, offers.get(&found.key)) {
                self.provide(*offer, provide, library.is_reachable(found.person)).await?;
            }
        }
        Ok(made)
    }

    /// Without what falls away at once: a cause that no longer stands, a kind that the person does not want, a person who
    /// cannot be reached, the same key a second time. What was promised before, and may not be provided yet, stays.
    async fn wanted(
        &self,
        library: &Library,
        found: Vec<Found>,
        offers: &BTreeMap<String, Uuid>,
    ) -> Result<Vec<Found>, EngineError> {
        let db = self.store().db();
        let off =
            settings::off_of(db, found.iter().map(|found| found.person).collect::<BTreeSet<_>>()).await?;
        let mut keys = BTreeSet::new();
        Ok(found
            .into_iter()
            .filter(|found| {
                let rule = &found.rule.rule;
                let is_off = off.get(&found.person).is_some_and(|kinds| kinds.contains(&rule.rule().kind));
                let is_promised = found.provide.is_some() && offers.contains_key(&found.key);
                (is_promised || (!is_off && library.is_reachable(found.person)))
                    && fallen(library, rule, found.record, &found.what).is_none()
                    && keys.insert(found.key.clone())
            })
            .collect())
    }

    /// The offers that are there already, by their keys.
    async fn existing(&self, found: &[Found]) -> Result<BTreeMap<String, Uuid>, EngineError> {
        let keys: Vec<&str> = found.iter().map(|found| found.key.as_str()).collect();
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        Ok(self.store().numbers(&slug(OFFERS)?, &keys).await?.into_iter().collect())
    }

    /// Makes offers together, or, where another server was first with one of them, one by one.
    async fn make(&self, found: &[&Found], offers: &mut BTreeMap<String, Uuid>) -> Result<u64, EngineError> {
        match self.append_offers(found).await {
            Ok(outcomes) => {
                for (found, outcome) in found.iter().zip(outcomes) {
                    offers.insert(found.key.clone(), outcome.appended.record);
                }
                return Ok(found.len() as u64);
            }
            Err(Refusal { reason: Reason::Store(_) | Reason::Overloaded { .. }, .. }) if found.len() == 1 => {
            }
            Err(Refusal { reason: Reason::Number, .. }) => {}
            Err(refusal) if found.len() == 1 => return self.unmade(found[0], refusal),
            Err(_) => {}
        }
        let mut made = 0;
        for one in found {
            match self.append_offers(&[one]).await {
                Ok(outcomes) => {
                    offers.extend(outcomes.first().map(|outcome| (one.key.clone(), outcome.appended.record)));
                    made += 1;
                }
                // It is there: all that was wanted.
                Err(Refusal { reason: Reason::Number, .. }) => {
                    let held = self.store().number(&slug(OFFERS)?, &one.key).await?;
                    offers.extend(held.map(|record| (one.key.clone(), record)));
                }
                Err(refusal) => made += self.unmade(one, refusal)?,
            }
        }
        Ok(made)
    }

    /// An offer that breaks a rule of its register will break it again: it is a fault of the rule, seen in the log and the
    /// metrics, and no reason to stop. Anything else is tried again.
    fn unmade(&self, found: &Found, refusal: Refusal) -> Result<u64, EngineError> {
        if !is_of_offer(&refusal.reason) {
            return Err(refusal.into());
        }
        let rule = &found.rule.rule.rule().slug;
        tracing::error!(%rule, why = %told(&refusal), "what a rule proposes is no offer");
        self.count(|counts| counts.faults += 1);
        Ok(0)
    }

    async fn append_offers(&self, found: &[&Found]) -> Result<Vec<Outcome>, Refusal> {
        let mut entries = Vec::with_capacity(found.len());
        for one in found {
            let request =
                platform_entry(OFFERS, None, "proposed", one.body.clone()).request(OFFERS_CLIENT)?;
            entries.extend(request.entries);
        }
        let Some(one) = found.first() else { return Ok(Vec::new()) };
        let mut request =
            platform_entry(OFFERS, None, "proposed", one.body.clone()).request(OFFERS_CLIENT)?;
        request.entries = entries;
        self.registry().append(request).await
    }

    /// Makes the entry that an offer provides, then says so; or hands it to an official, with the reason. The offer is the
    /// idempotency key of the entry, so that it is made once though the engine may come by often.
    async fn provide(&self, offer: Uuid, provide: &Provide, is_reachable: bool) -> Result<(), EngineError> {
        let Some(offer) = Offer::read(self.registry(), offer).await? else { return Ok(()) };
        if !matches!(offer.stage(), Stage::Open | Stage::Accepted) {
            return Ok(());
        }
        if !is_reachable {
            let (ru, en) = (
                "Учётная запись закрыта или записана смерть",
                "The account is closed, or a death is recorded",
            );
            return self.refer(&offer, &format!("{ru} / {en}"), None).await;
        }
        match self.make_outcome(&offer, provide).await {
            Ok(outcome) => {
                let (register, record) = (&outcome.appended.register, outcome.appended.record);
                let body = json!({ "outcome": { "register": register, "record": record } });
                if self.answer(offer.record, "provided", body).await? {
                    self.count(|counts| counts.provided += 1);
                }
                Ok(())
            }
            Err(refusal) if is_of_content(&refusal.reason) => {
                let words = format!(
                    "Предоставить автоматически не удалось / Could not be provided without being asked: {}",
                    told(&refusal)
                );
                self.refer(&offer, &words, None).await
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn make_outcome(&self, offer: &Offer, provide: &Provide) -> Result<Outcome, Refusal> {
        let bodies = provide.bodies.as_ref().map_err(|error| Reason::Statement(error.to_string()))?;
        let (_, found) = self.registry().find(&provide.register).await?;
        let found = found.ok_or_else(|| Reason::UnknownRegister(provide.register.clone()))?;
        let by = Actor { department: found.definition.owner.clone(), client: OFFERS_CLIENT.to_owned() };
        for body in bodies {
            let entry = EntryRequest::Platform {
                record: None,
                version: None,
                entry_type: provide.entry_type.clone(),
                effective_at: None,
                body: body.clone(),
            };
            let mut request = AppendRequest::new(provide.register.clone(), by.clone(), vec![entry]);
            request.idempotency_key = Some(format!("offer-{}", offer.record));
            match self.registry().append(request).await {
                Ok(outcomes) => return first(outcomes),
                // The number is taken; or it was made before, with another of these bodies.
                Err(Refusal { reason: Reason::Number | Reason::Idempotency, .. }) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Err(Reason::Number.into())
    }

    /// Hands an offer to an official of the department that answers for it.
    pub(super) async fn refer(
        &self,
        offer: &Offer,
        reason: &str,
        because: Option<serde_json::Value>,
    ) -> Result<(), EngineError> {
        let reason: String = reason.chars().take(REASON_CHARACTERS_MAX).collect();
        let mut body = json!({ "reason": reason, "department": offer.department() });
        if let Some(because) = because {
            body["because"] = because;
        }
        if self.answer(offer.record, "referred", body).await? {
            self.count(|counts| counts.referred += 1);
        }
        Ok(())
    }

    /// Appends the same entry to many offers, together where it can be; answers with how many took it.
    pub(super) async fn answer_all(
        &self,
        offers: &[Uuid],
        entry_type: &str,
        body: &serde_json::Value,
    ) -> Result<u64, EngineError> {
        let mut taken = 0;
        for some in offers.chunks(SUBMISSION_OFFERS) {
            let mut together: Option<AppendRequest> = None;
            for offer in some {
                let entry = platform_entry(OFFERS, Some(*offer), entry_type, body.clone());
                let request = entry.request(OFFERS_CLIENT)?;
                match &mut together {
                    Some(all) => all.entries.extend(request.entries),
                    None => together = Some(request),
                }
            }
            let Some(together) = together else { continue };
            if let Ok(outcomes) = self.registry().append(together).await {
                taken += outcomes.len() as u64;
                continue;
            }
            // One of them is in another status by now; or nothing can be appended, which each will say.
            for offer in some {
                taken += u64::from(self.answer(*offer, entry_type, body.clone()).await?);
            }
        }
        Ok(taken)
    }

    /// Appends an entry to an offer; false when its status no longer allows it: someone was first, and all is well.
    pub(super) async fn answer(
        &self,
        offer: Uuid,
        entry_type: &str,
        body: serde_json::Value,
    ) -> Result<bool, EngineError> {
        let entry = platform_entry(OFFERS, Some(offer), entry_type, body);
        match entry.append(self.registry(), OFFERS_CLIENT).await {
            Ok(_) => Ok(true),
            Err(Refusal { reason: Reason::Rule(error), .. })
                if error.reason() == domain::record::Reason::Conflict =>
            {
                Ok(false)
            }
            // What the engine itself says wrongly, it would say wrongly again: seen, and no reason to stop.
            Err(refusal) if is_of_offer(&refusal.reason) => {
                tracing::error!(%offer, entry_type, why = %told(&refusal), "an entry of an offer was refused");
                self.count(|counts| counts.faults += 1);
                Ok(false)
            }
            Err(refusal) => Err(refusal.into()),
        }
    }
}

/// Is it the entry's content, or what is in force, that is at fault, so that trying again would change nothing?
pub(super) fn is_of_content(reason: &Reason) -> bool {
    !matches!(
        reason,
        Reason::Store(_) | Reason::Overloaded { .. } | Reason::Corrupt(_) | Reason::Version { .. }
    )
}

/// Is it an entry of an offer that is at fault? A server without the platform's key, or without the register, is set up
/// wrongly: to pass over what it cannot append would lose it for every server, and so the engine waits until it is put right.
fn is_of_offer(reason: &Reason) -> bool {
    is_of_content(reason)
        && !matches!(
            reason,
            Reason::UnknownRegister(_)
                | Reason::UnknownDepartment(_)
                | Reason::ForeignRegister { .. }
                | Reason::KeyNotInForce { .. }
                | Reason::NoKeyHeld(_)
        )
}

/// Why, with the places at fault. Neither text has a value of the body.
pub(super) fn told(refusal: &Refusal) -> String {
    let faults = refusal.reason.faults();
    if faults.is_empty() {
        return refusal.reason.to_string();
    }
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
