//! What is asked: nine of ten requests read, and the hottest account, record and register get the most.

use std::sync::Arc;

use axum::http::Method;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::json;

use super::tally::Place;
use super::world::{RECORDS, World};
use crate::bench::entries::Generator;
use crate::failure::Failure;

/// What a request does.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A person reads the list of their records.
    Account,
    /// A person reads one of them.
    Record,
    /// Anyone looks an official number up.
    Lookup,
    /// Anyone takes a receipt.
    Receipt,
    /// Anyone takes a tile of a log.
    Tile,
    /// Anyone takes a checkpoint.
    Checkpoint,
    /// A department appends an entry that it signed.
    Append,
}

/// Of 100 requests.
const SHARES: [(Kind, u32); 7] = [
    (Kind::Account, 30),
    (Kind::Record, 15),
    (Kind::Lookup, 15),
    (Kind::Receipt, 10),
    (Kind::Tile, 10),
    (Kind::Checkpoint, 10),
    (Kind::Append, 10),
];

/// A request that is ready to be sent.
pub struct Call {
    /// What it does.
    pub kind: Kind,
    /// How.
    pub method: Method,
    /// Of what.
    pub path: String,
    /// Who.
    pub token: Option<Arc<str>>,
    /// JSON.
    pub body: Option<String>,
    /// Of an append: where the entry is to be.
    pub place: Option<Place>,
}

impl Call {
    /// The request of this number: the same number asks the same, but for entries, which are each appended once.
    pub async fn choose(world: &World, number: u64) -> Result<Self, Failure> {
        let mut random = ChaCha8Rng::seed_from_u64(world.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut chance = random.random_range(0..SHARES.iter().map(|(_, share)| share).sum::<u32>());
        let mut kind = Kind::Append;
        for (of, share) in SHARES {
            if chance < share {
                kind = of;
                break;
            }
            chance -= share;
        }
        let register =
            &world.registers[usize::try_from(hot(&mut random, world.registers.len() as u64)).unwrap_or(0)];
        let (number, record) = world.record(hot(&mut random, RECORDS));
        let hottest = &world.registers[0];
        let read = |path: String, token: Option<&Arc<str>>| Self {
            kind,
            method: Method::GET,
            path,
            token: token.cloned(),
            body: None,
            place: None,
        };
        Ok(match kind {
            Kind::Account => {
                let person = hot(&mut random, world.citizens.len() as u64);
                let token = world.citizens.get(usize::try_from(person).unwrap_or(0));
                read("/v1/account/records?limit=20".to_owned(), token)
            }
            Kind::Record => {
                let token = world.citizens.get(World::holder(number));
                read(format!("/v1/registers/{hottest}/records/{record}"), token)
            }
            Kind::Lookup => {
                let asked = read(format!("/v1/registers/{hottest}/lookup"), None);
                let body = json!({ "number": Generator::number(number) }).to_string();
                Self { method: Method::POST, body: Some(body), ..asked }
            }
            Kind::Receipt => read(format!("/v1/registers/{hottest}/entries/{number}/receipt"), None),
            Kind::Tile => read(format!("/v1/registers/{hottest}/tile/entries/{:03}", number / 256), None),
            Kind::Checkpoint => read(format!("/v1/registers/{register}/checkpoint"), None),
            Kind::Append => {
                let (signed, place) = world.next_entry().await?;
                let appended = read(format!("/v1/registers/{hottest}/entries"), Some(&world.department));
                let body = Some(signed.to_json());
                Self { method: Method::POST, body, place: Some(place), ..appended }
            }
        })
    }
}

/// One of so many by Zipf's law: the first is asked for about as often as the second and third together, and so on.
fn hot(random: &mut ChaCha8Rng, of: u64) -> u64 {
    // The inverse of the continuous law with exponent 1: no table, and close enough.
    let of = u32::try_from(of.max(1)).unwrap_or(u32::MAX);
    let rank = (f64::from(of) + 1.0).powf(random.random::<f64>());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 1 and a u32")]
    let rank = rank as u64;
    rank.clamp(1, of.into()) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hottest_get_the_most() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut counts = [0_u32; 100];
        for _ in 0..100_000 {
            counts[usize::try_from(hot(&mut random, 100)).unwrap()] += 1;
        }
        assert!(counts[0] > 2 * counts[3] && counts[3] > 2 * counts[15], "{counts:?}");
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        assert!(SHARES.iter().map(|(_, share)| share).sum::<u32>() == 100);
    }
}
