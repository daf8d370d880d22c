//! Clients that the operator registered: ordinary rows.

use domain::Fault;
use domain::definition::Title;
use eventstore::sql::Row;
use eventstore::{Store, StoreError, args};
use proofs::slug::Slug;
use proofs::time::Timestamp;
use reqwest::Url;
use serde::Deserialize;

use super::{hash, random};

/// Redirect addresses of one client.
const REDIRECTS_MAX: usize = 20;
/// Characters of one: longer ones are cut off by browsers.
const REDIRECT_BYTES_MAX: usize = 2_000;
/// Characters of a name.
const NAME_CHARS_MAX: usize = 200;

/// A client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its name among clients: `client_id`.
    pub id: Slug,
    /// What people are told it is called.
    pub name: Title,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Has it a secret? One that runs on people's own devices cannot keep any.
    pub confidential: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    secret_hash: Option<Vec<u8>>,
}

/// A client to be registered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    /// See [`Client::id`].
    pub id: Slug,
    /// See [`Client::name`].
    pub name: Title,
    /// See [`Client::redirect_uris`].
    pub redirect_uris: Vec<String>,
    /// See [`Client::confidential`].
    #[serde(default)]
    pub confidential: bool,
}

/// A client that was registered, and its secret, which is told this once.
pub struct Added {
    /// The client.
    pub client: Client,
    /// Its secret, if it has one.
    pub secret: Option<String>,
}

/// Why a client is not registered.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// Something is wrong with what was given.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Faults(Vec<Fault>),
    /// Another client has, or had, the name.
    #[error("the name is another client's, or was one's that was removed")]
    Taken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Registers a client.
pub async fn add(store: &Store, new: NewClient) -> Result<Added, AddError> {
    let faults = faults(&new);
    if !faults.is_empty() {
        return Err(AddError::Faults(faults));
    }
    let secret = new.confidential.then(|| random(store));
    let client = Client {
        id: new.id,
        name: new.name,
        redirect_uris: new.redirect_uris,
        confidential: new.confidential,
        created_at: store.clock().now(),
        secret_hash: secret.as_deref().map(hash),
    };
    let uris = serde_json::Value::from(client.redirect_uris.clone()).to_string();
    let sql = "INSERT INTO oauth_client (client, name_ru, name_en, redirect_uris, secret_hash, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (client) DO NOTHING";
    let args = args![
        &client.id,
        client.name.ru.as_str(),
        client.name.en.as_str(),
        uris,
        client.secret_hash.clone(),
        client.created_at
    ];
    let mut tx = store.db().begin().await?;
    let inserted = tx.execute(sql, args).await?;
    tx.commit().await?;
    if inserted == 0 { Err(AddError::Taken) } else { Ok(Added { client, secret }) }
}

const SELECT: &str = "SELECT client, name_ru, name_en, redirect_uris, secret_hash, created_at FROM oauth_client \
     WHERE removed_at IS NULL";

/// Clients, by name.
pub async fn list(store: &Store) -> Result<Vec<Client>, StoreError> {
    let rows = store.db().fetch_all(&format!("{SELECT} ORDER BY client"), Vec::new()).await?;
    rows.iter().map(read).collect()
}

/// The client of a name.
pub async fn find(store: &Store, id: &str) -> Result<Option<Client>, StoreError> {
    let row = store.db().fetch_optional(&format!("{SELECT} AND client = $1"), args![id]).await?;
    row.as_ref().map(read).transpose()
}

/// Removes a client: from now on it is let in no more, whatever it holds. Answers whether it was there.
pub async fn remove(store: &Store, id: &str) -> Result<bool, StoreError> {
    let mut tx = store.db().begin().await?;
    let sql = "UPDATE oauth_client SET removed_at = $2 WHERE client = $1 AND removed_at IS NULL";
    let removed = tx.execute(sql, args![id, store.clock().now()]).await?;
    tx.execute("DELETE FROM oauth_code WHERE client = $1", args![id]).await?;
    tx.execute("DELETE FROM oauth_refresh WHERE client = $1", args![id]).await?;
    tx.commit().await?;
    Ok(removed > 0)
}

impl Client {
    /// Is this its secret? A public client has none, and must give none.
    pub fn accepts(&self, secret: Option<&str>) -> bool {
        // Equal in time or not: what is compared are hashes, which whoever measures cannot choose.
        secret.map(hash) == self.secret_hash
    }
}

fn read(row: &Row) -> Result<Client, StoreError> {
    let uris = serde_json::from_str(&row.text("redirect_uris")?);
    let secret_hash = row.opt_blob("secret_hash")?;
    Ok(Client {
        id: row.parse("client")?,
        name: Title { ru: row.str("name_ru")?.into(), en: row.str("name_en")?.into() },
        redirect_uris: uris.map_err(|why| StoreError::corrupt("oauth_client", "redirect_uris", "", why))?,
        confidential: secret_hash.is_some(),
        created_at: row.time("created_at")?,
        secret_hash,
    })
}

fn faults(new: &NewClient) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, name) in [("/name/ru", &new.name.ru), ("/name/en", &new.name.en)] {
        if name.trim().is_empty()
            || name.chars().count() > NAME_CHARS_MAX
            || name.chars().any(char::is_control)
        {
            faults.push(Fault::new(at, format!("is 1 to {NAME_CHARS_MAX} characters, none a control")));
        }
    }
    if new.redirect_uris.is_empty() || new.redirect_uris.len() > REDIRECTS_MAX {
        faults.push(Fault::new("/redirect_uris", format!("has 1 to {REDIRECTS_MAX} addresses")));
    }
    for (at, uri) in new.redirect_uris.iter().enumerate() {
        if let Some(why) = unfit(uri) {
            faults.push(Fault::new(format!("/redirect_uris/{at}"), why));
        }
    }
    faults
}

/// Why people may not be sent to an address: RFC 6749 section 3.1.2, RFC 8252 sections 7.1 and 8.3, RFC 9700 section 4.1.
fn unfit(uri: &str) -> Option<&'static str> {
    let graphic = uri.bytes().all(|byte| byte.is_ascii_graphic());
    let url = Url::parse(uri).ok().filter(|_| graphic && uri.len() <= REDIRECT_BYTES_MAX);
    let Some(url) = url else { return Some("is no absolute address of at most 2,000 ASCII characters") };
    if uri.contains('#') {
        return Some("has a fragment, which would reach nobody");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("has a user name or password");
    }
    match url.scheme() {
        "https" if url.host_str().is_some() => None,
        "http" if matches!(url.host_str(), Some("127.0.0.1" | "[::1]")) => None,
        "http" => Some("is http, which only 127.0.0.1 and [::1] may be"),
        // A reverse domain name of its owner's (RFC 8252 section 7.1): nobody else's app has it by chance.
        scheme if scheme.contains('.') && !url.has_host() => None,
        _ => Some("is neither https nor an app's own scheme, which has a dot (com.example.app:/callback)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_sent_only_where_they_can_be_sent_safely() {
        for fit in [
            "https://bank.example/cb",
            "https://bank.example/cb?x=1",
            "http://127.0.0.1:8080/cb",
            "http://[::1]/cb",
            "com.example.app:/cb",
        ] {
            assert_eq!(unfit(fit), None, "{fit}");
        }
        for bad in [
            "",
            "/cb",
            "bank.example/cb",
            "http://bank.example/cb",
            "http://localhost/cb",
            "https://bank.example/cb#x",
            "https://user:word@bank.example/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "myapp:/cb",
            "com.example.app://host/cb",
            "https://bank.example/a b",
            "https://банк.example/cb",
        ] {
            assert!(unfit(bad).is_some(), "{bad}");
        }
        assert!(unfit(&format!("https://bank.example/{}", "a".repeat(2_000))).is_some());
    }
}
