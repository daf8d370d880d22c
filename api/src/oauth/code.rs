//! Codes: what a person's browser carries from here to the client.

use eventstore::{Store, StoreError, args};
use uuid::Uuid;

use super::client::Client;
use super::{CODE_MILLIS, hash, proves, random};

/// Makes a code for a consent; it is told to nobody but the browser.
pub async fn issue(
    store: &Store,
    client: &Client,
    redirect_uri: &str,
    challenge: &str,
    consent: Uuid,
) -> Result<String, StoreError> {
    let code = random(store);
    let expires_at = store.clock().now().plus_millis(CODE_MILLIS);
    let sql = "INSERT INTO oauth_code (code_hash, client, redirect_uri, challenge, consent, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6)";
    let mut tx = store.db().begin().await?;
    tx.execute(sql, args![hash(&code), &client.id, redirect_uri, challenge, consent, expires_at]).await?;
    tx.commit().await?;
    Ok(code)
}

/// What came of redeeming a code.
#[derive(Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// It was good, and is now used.
    Consent(Uuid),
    /// It was used before: two have it, and one of them is not the client.
    Reused(Uuid),
    /// It is none, or not for this client, address or verifier, or its time is over.
    No,
}

/// Redeems a code, once. Of two who come at the same time with the same code, one is the second.
pub async fn redeem(
    store: &Store,
    client: &Client,
    code: &str,
    redirect_uri: &str,
    verifier: &str,
) -> Result<Redeemed, StoreError> {
    let mut tx = store.db().begin().await?;
    let now = store.clock().now();
    let key = hash(code);
    let sql =
        "SELECT client, redirect_uri, challenge, consent, expires_at FROM oauth_code WHERE code_hash = $1";
    let Some(row) = tx.fetch_optional(sql, args![key.clone()]).await? else { return Ok(Redeemed::No) };
    let bound = row.text("client")? == client.id.as_str()
        && row.text("redirect_uri")? == redirect_uri
        && now < row.time("expires_at")?
        && proves(verifier, &row.text("challenge")?);
    if !bound {
        return Ok(Redeemed::No);
    }
    let consent = row.uuid("consent")?;
    let sql = "UPDATE oauth_code SET used_at = $2 WHERE code_hash = $1 AND used_at IS NULL";
    let first = tx.execute(sql, args![key, now]).await? == 1;
    tx.commit().await?;
    Ok(if first { Redeemed::Consent(consent) } else { Redeemed::Reused(consent) })
}
