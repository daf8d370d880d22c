//! `reestr demo`.

use std::time::Duration;

use api::auth::{Grant, Role, TokenIssuer};
use eventstore::Clock;
use proofs::slug::Slug;

use crate::args::Demo;
use crate::config::Config;
use crate::demo::load::{Cast, DEPARTMENT, load};
use crate::demo::{tokens, try_it};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::serving::{Serving, log, token_issuer};
use crate::system::SystemClock;
use crate::wire;

/// The demo's tokens are good for so long after each start.
const TOKEN_DAYS: i64 = 30;
/// Projections of a million sample people take minutes, not more.
const CATCH_UP: Duration = Duration::from_hours(1);

/// Fills a store with samples, serves it, and says what to try.
pub async fn run(args: Demo) -> Result<(), Failure> {
    log(&Config::read(&args.store)?.quiet())?;
    let opened = wire::open(&args.store).await?;
    let data = args.store.data.clone();
    wire::make_private(&data)?;
    let store = opened.store.clone();
    let cast = load(&store, &opened.registry, &data, args.people, Progress::detect()).await?;
    let issuer = token_issuer(&opened).await?;
    tokens::write(&data, &mint(&issuer, &cast)?)?;
    let serving = Serving::prepare(opened, args.listen).await?;
    serving.settle(CATCH_UP).await?;
    let commands = try_it::write(&store, &data, &serving.url, &cast).await?;
    serving.run(&format!("\n{commands}")).await
}

fn mint(issuer: &TokenIssuer, cast: &Cast) -> Result<Vec<(&'static str, String)>, Failure> {
    let department: Slug = DEPARTMENT.parse().map_err(|error| Failure::because(DEPARTMENT, &error))?;
    let issued_at = SystemClock.now();
    let token = |role, subject: String, department: Option<&Slug>, scope: Option<&str>| {
        let minted = issuer.mint(Grant {
            subject,
            role,
            department: department.cloned(),
            scope: scope.map(str::to_owned),
            issued_at,
            expires_at: issued_at.plus_millis(TOKEN_DAYS * 86_400_000),
        });
        minted.map_err(|error| Failure::because("a token", &error))
    };
    Ok(vec![
        ("department", token(Role::Department, format!("{department}-system"), Some(&department), None)?),
        ("official", token(Role::Official, cast.official.record.to_string(), Some(&department), None)?),
        ("citizen", token(Role::Citizen, cast.citizen.record.to_string(), None, None)?),
        ("other_citizen", token(Role::Citizen, cast.other.record.to_string(), None, None)?),
        ("auditor", token(Role::Auditor, "audit-office".to_owned(), None, Some("bodies:*"))?),
        ("operator", token(Role::Operator, "duty-officer".to_owned(), None, None)?),
    ])
}
