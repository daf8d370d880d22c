//! Consents given, ended and outlived at random, against a model that keeps plain flags: after each deed, every consent opens
//! every record or does not, as the model says; on both stores.

use std::collections::BTreeSet;

use api::auth::ClientGrant;
use api::consents::sweep;
use eventstore::Entropy as _;
use eventstore::testing::SeededEntropy;
use serde_json::json;
use uuid::Uuid;

use crate::bank::{allow, bank, consent};
use crate::relatives::{ask, enter, token};
use crate::world::World;

const REGISTERS: [&str; 2] = ["notices", "permits"];
const RECORDS: usize = 4;
const DEEDS: usize = 14;
const DAY_MILLIS: i64 = 86_400_000;

/// Chance that repeats itself.
struct Dice(SeededEntropy);

impl Dice {
    /// A number below this.
    fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_be_bytes(bytes) % end
    }

    /// Some of these.
    fn some(&self, of: usize) -> BTreeSet<usize> {
        (0..of).filter(|_| self.below(3) == 0).collect()
    }

    /// One of so many.
    fn one(&self, of: usize) -> usize {
        usize::try_from(self.below(of as u64)).expect("it is below")
    }
}

struct Given {
    record: Uuid,
    registers: BTreeSet<usize>,
    records: BTreeSet<usize>,
    last_day: i64,
    withdrawn: bool,
}

/// What there is, as plainly as can be said.
struct Model {
    day: i64,
    consents: Vec<Given>,
    moved: BTreeSet<usize>,
}

impl Model {
    /// What a reading of a record by a consent is answered.
    fn answer(&self, consent: &Given, record: usize) -> u16 {
        if consent.withdrawn || self.day > consent.last_day {
            return 403;
        }
        let chosen = consent.registers.contains(&(record % 2)) || consent.records.contains(&record);
        if chosen && !self.moved.contains(&record) { 200 } else { 404 }
    }
}

async fn give(world: &World, dice: &Dice, model: &mut Model, records: &[Uuid]) {
    let registers = dice.some(REGISTERS.len());
    let chosen: BTreeSet<usize> = dice.some(RECORDS).difference(&model.moved).copied().collect();
    if registers.is_empty() && chosen.is_empty() {
        return;
    }
    let days = i64::try_from(1 + dice.below(4)).expect("a few");
    let until = world.store.clock().now().plus_millis(days * DAY_MILLIS).date().to_string();
    let names: Vec<&str> = registers.iter().map(|at| REGISTERS[*at]).collect();
    let ids: Vec<String> = chosen.iter().map(|at| records[*at].to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (record, _) = consent(world, &token(world, world.citizen), allow(&names, &ids, &until)).await;
    model.consents.push(Given {
        record,
        registers,
        records: chosen,
        last_day: model.day + days,
        withdrawn: false,
    });
}

async fn withdraw(world: &World, dice: &Dice, model: &mut Model) {
    let count = model.consents.len();
    let Some(given) = (count > 0).then(|| &mut model.consents[dice.one(count)]) else { return };
    let path = format!("/v1/account/consents/{}/withdraw", given.record);
    let answer = ask(world, &token(world, world.citizen), None, "POST", &path, None).await;
    // One whose term is over may say so already, and is then not to be withdrawn.
    let over = model.day > given.last_day;
    assert!(answer.status == 200 || answer.status == 409 && (given.withdrawn || over), "{answer:?}");
    given.withdrawn = true;
}

async fn check(world: &World, model: &Model, records: &[Uuid], answers: &mut BTreeSet<u16>) {
    let now = world.store.clock().now();
    for given in &model.consents {
        let grant = ClientGrant {
            client: "bank".to_owned(),
            consent: given.record,
            issued_at: now,
            expires_at: now.plus_millis(60_000),
        };
        let token = world.tokens.mint_for_client(grant).await.expect("a token");
        for (at, record) in records.iter().enumerate() {
            let path = format!("/v1/consented/records/{record}");
            let answer = ask(world, &token, None, "GET", &path, None).await;
            assert_eq!(answer.status, model.answer(given, at), "record {at} on day {}", model.day);
            answers.insert(answer.status.as_u16());
        }
    }
}

async fn life(world: &World, seed: u64, answers: &mut BTreeSet<u16>) {
    let dice = Dice(SeededEntropy::new(seed));
    let mut records = Vec::new();
    for at in 0..RECORDS {
        let body = world.body(&format!("A00{at}"));
        records.push(enter(world, REGISTERS[at % 2], None, "issued", body).await.appended.record);
    }
    let mut model = Model { day: 0, consents: Vec::new(), moved: BTreeSet::new() };
    for _ in 0..DEEDS {
        match dice.below(10) {
            0..4 => give(world, &dice, &mut model, &records).await,
            4..6 => withdraw(world, &dice, &mut model).await,
            6..8 => {
                let days = i64::try_from(1 + dice.below(2)).expect("a few");
                model.day += days;
                world.clock.advance(days * DAY_MILLIS);
            }
            8 => {
                sweep(&world.state).await.expect("a sweep");
            }
            _ => {
                let at = dice.one(RECORDS);
                if model.moved.insert(at) {
                    let to = json!({"subjects": [{"role": "holder", "person": world.other_citizen}]});
                    enter(world, REGISTERS[at % 2], Some(records[at]), "amended", to).await;
                }
            }
        }
        check(world, &model, &records, answers).await;
    }
}

#[tokio::test]
async fn consents_open_what_a_model_says() {
    let mut answers = BTreeSet::new();
    for seed in 0..3 {
        for world in World::both().await {
            bank(&world, false).await;
            life(&world, seed, &mut answers).await;
            world.end().await;
        }
    }
    assert_eq!(answers, BTreeSet::from([200, 403, 404]), "each answer was given");
}
