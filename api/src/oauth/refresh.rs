//! Refresh tokens: each is good once, and gives the next, until the consent ends.

use eventstore::{Store, StoreError, args};
use uuid::Uuid;

use super::client::Client;
use super::{hash, random};

/// Makes a refresh token for a consent.
pub async fn issue(store: &Store, client: &Client, consent: Uuid) -> Result<String, StoreError> {
    let token = random(store);
    let sql = "INSERT INTO oauth_refresh (token_hash, client, consent, issued_at) VALUES ($1, $2, $3, $4)";
    let mut tx = store.db().begin().await?;
    tx.execute(sql, args![hash(&token), &client.id, consent, store.clock().now()]).await?;
    tx.commit().await?;
    Ok(token)
}

/// What came of presenting a refresh token.
#[derive(Debug, PartialEq, Eq)]
pub enum Presented {
    /// It was good, and is now used.
    Consent(Uuid),
    /// It was used before: it was stolen, from the client or by it.
    Reused(Uuid),
    /// It is none of this client's.
    No,
}

/// Uses a refresh token up.
pub async fn present(store: &Store, client: &Client, token: &str) -> Result<Presented, StoreError> {
    let mut tx = store.db().begin().await?;
    let sql = "SELECT consent FROM oauth_refresh WHERE token_hash = $1 AND client = $2";
    let Some(row) = tx.fetch_optional(sql, args![hash(token), &client.id]).await? else {
        return Ok(Presented::No);
    };
    let consent = row.uuid("consent")?;
    let sql = "UPDATE oauth_refresh SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL";
    let first = tx.execute(sql, args![hash(token), store.clock().now()]).await? == 1;
    tx.commit().await?;
    Ok(if first { Presented::Consent(consent) } else { Presented::Reused(consent) })
}

/// Makes a refresh token good for nothing (RFC 7009), with all that came before and after it. An unknown one is as good as
/// revoked. The consent stays: it is the person's.
pub async fn revoke(store: &Store, client: &Client, token: &str) -> Result<(), StoreError> {
    let mut tx = store.db().begin().await?;
    let sql = "DELETE FROM oauth_refresh WHERE client = $2 AND consent IN \
         (SELECT r.consent FROM oauth_refresh r WHERE r.token_hash = $1 AND r.client = $2)";
    tx.execute(sql, args![hash(token), &client.id]).await?;
    tx.commit().await
}
