//! `reestr token`.

use api::auth::{Grant, Role};
use eventstore::Clock;
use uuid::Uuid;

use crate::args::Token;
use crate::failure::Failure;
use crate::output::line;
use crate::serving::token_issuer;
use crate::system::SystemClock;
use crate::wire;

/// Prints a bearer token of the store's own issuer.
pub async fn run(args: Token) -> Result<(), Failure> {
    let role: Role = serde_json::from_value(args.role.clone().into())
        .map_err(|_| Failure::usage("--role is one of citizen, official, department, auditor, operator"))?;
    if role == Role::ThirdParty {
        return Err(Failure::usage(
            "a third party gets its token by a person's consent, and from nobody else",
        ));
    }
    let belongs = matches!(role, Role::Official | Role::Department);
    if belongs != args.department.is_some() {
        return Err(Failure::usage(
            "--department names the department of an official or a department's system, and of nobody else",
        ));
    }
    if matches!(role, Role::Citizen | Role::Official) && Uuid::try_parse(&args.subject).is_err() {
        return Err(Failure::usage(
            "--subject of a citizen or official is the UUID of their record in `persons`",
        ));
    }
    if args.scope.is_some() && role != Role::Auditor {
        return Err(Failure::usage("--scope is for auditors"));
    }
    let opened = wire::open(&args.store).await?;
    if let Some(department) = &args.department
        && opened.registry.knowledge().departments.get(department).is_none()
    {
        return Err(Failure::usage(format!("there is no department {department}")));
    }
    let issued_at = SystemClock.now();
    let token = token_issuer(&opened).await?;
    let token = token.mint(Grant {
        subject: args.subject,
        role,
        department: args.department,
        scope: args.scope,
        issued_at,
        expires_at: issued_at.plus_millis(i64::from(args.minutes) * 60_000),
    });
    let token = token.map_err(|error| Failure::because("the token", &error))?;
    opened.store.close().await;
    line(&token);
    Ok(())
}
