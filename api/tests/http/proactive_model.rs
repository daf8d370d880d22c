//! Random lives against a plain model: births, corrections, answers, days that pass, engines that are cut off, replaced and
//! set back. Whatever happens to the servers, the offers are those of the model.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::Poll;

use domain::platform::REQUESTS;
use serde_json::json;
use uuid::Uuid;

use crate::proactive_town::{Town, a_set, an_allowance, on_birth, settle};

const DAY_MILLIS: i64 = 86_400_000;
const STEPS: usize = 30;

/// Numbers that follow from a seed (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}

/// A birth, and what should have become of what it made rules propose.
struct Birth {
    record: Uuid,
    mother: Uuid,
    annulled: bool,
    set: &'static str,
    allowance: &'static str,
    /// The day, counted from the first, after which the set can no longer be accepted.
    last_day: i64,
    accepted: bool,
}

struct Model {
    town: Town,
    dice: Dice,
    mothers: Vec<Uuid>,
    births: Vec<Birth>,
    day: i64,
}

impl Model {
    async fn new(town: Town, seed: u64) -> Self {
        for mut rule in [on_birth("set", a_set()), on_birth("allowance", an_allowance("='B' + digits(8)"))] {
            rule["when"] = json!("true");
            town.publish(rule).await;
        }
        let mut mothers = Vec::new();
        for _ in 0..3 {
            mothers.push(town.person("1990-01-01").await);
        }
        Self { town, dice: Dice(seed), mothers, births: Vec::new(), day: 0 }
    }

    async fn step(&mut self) {
        match self.dice.below(12) {
            0..=3 => self.birth().await,
            4 => self.annul().await,
            5 => self.correct().await,
            6 => self.answer(&["proposed"], "seen").await,
            7 => self.answer(&["proposed", "seen"], "declined").await,
            8 => self.answer(&["proposed", "seen"], "accepted").await,
            9 => self.week().await,
            10 => self.set_back().await,
            _ => self.cut_off().await,
        }
        self.town.settle().await;
    }

    async fn birth(&mut self) {
        let mother = self.mothers[self.dice.below(self.mothers.len())];
        let record = self.town.birth(self.town.person("2026-05-30").await, mother).await;
        let last_day = self.day + 30;
        let birth = Birth {
            record,
            mother,
            annulled: false,
            set: "proposed",
            allowance: "provided",
            last_day,
            accepted: false,
        };
        self.births.push(birth);
    }

    /// One of those for which it makes sense.
    fn pick(&mut self, suits: impl Fn(&Birth) -> bool) -> Option<usize> {
        let suited: Vec<usize> = (0..self.births.len()).filter(|at| suits(&self.births[*at])).collect();
        (!suited.is_empty()).then(|| suited[self.dice.below(suited.len())])
    }

    async fn annul(&mut self) {
        let Some(at) = self.pick(|birth| !birth.annulled) else { return };
        let birth = &mut self.births[at];
        self.town.append("births", Some(birth.record), "annulled", json!({})).await;
        birth.annulled = true;
        birth.allowance = "referred";
        if ["proposed", "seen", "accepted"].contains(&birth.set) {
            birth.set = "withdrawn";
        }
    }

    async fn correct(&mut self) {
        let Some(at) = self.pick(|birth| !birth.annulled) else { return };
        let body = json!({ "corrects": 1, "place": "Тверь" });
        self.town.append("births", Some(self.births[at].record), "corrected", body).await;
    }

    async fn answer(&mut self, from: &[&str], to: &'static str) {
        let Some(at) = self.pick(|birth| from.contains(&birth.set)) else { return };
        let birth = &mut self.births[at];
        let offers = self.town.offers(birth.mother).await;
        let of = |offer: &&projections::offers::Offer| {
            offer.cause.record == birth.record && offer.rule_slug == "set"
        };
        let offer = offers.iter().find(of).expect("it is offered").record;
        let mut body = json!({ "by": birth.mother });
        if to == "accepted" {
            body["services"] = json!(["allowance", "kindergarten"]);
        }
        self.town.append("offers", Some(offer), to, body).await;
        birth.set = to;
        birth.accepted |= to == "accepted";
    }

    async fn week(&mut self) {
        self.town.projected().await;
        self.town.world.clock.advance(7 * DAY_MILLIS);
        self.day += 7;
        self.town.engine.run_due().await.expect("it runs");
        for birth in &mut self.births {
            if ["proposed", "seen"].contains(&birth.set) && birth.last_day < self.day {
                birth.set = "expired";
            }
        }
    }

    /// Another server, which begins where a crash would have left it at the worst.
    async fn set_back(&mut self) {
        self.town.engine = self.town.engine();
        self.town.execute("UPDATE proactive_position SET position = 0").await;
    }

    async fn cut_off(&mut self) {
        self.birth().await;
        let mut left = self.dice.below(60);
        let mut engine = self.town.engine();
        let mut working = pin!(settle(&mut engine));
        std::future::poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            working.as_mut().poll(context)
        })
        .await;
    }

    async fn check(&self) {
        let mut expected: BTreeMap<Uuid, Vec<&str>> = BTreeMap::new();
        for birth in &self.births {
            expected.entry(birth.mother).or_default().extend([birth.set, birth.allowance]);
        }
        for mother in &self.mothers {
            let mut expected = expected.remove(mother).unwrap_or_default();
            expected.sort_unstable();
            let mut found = self.town.statuses(*mother).await;
            found.sort();
            assert_eq!(found, expected);
            let of = |birth: &&Birth| birth.mother == *mother;
            assert_eq!(self.town.count(*mother, "allowances").await, self.births.iter().filter(of).count());
            let accepted = self.births.iter().filter(of).filter(|birth| birth.accepted).count();
            assert_eq!(self.town.count(*mother, REQUESTS).await, 2 * accepted);
        }
    }
}

#[tokio::test]
async fn random_lives_come_out_as_the_model_says() {
    for seed in [1, 7, 2026] {
        for town in Town::both().await {
            let mut model = Model::new(town, seed).await;
            for _ in 0..STEPS {
                model.step().await;
            }
            assert!(model.births.len() > 5, "something happened");
            model.check().await;
            model.town.end().await;
        }
    }
}
