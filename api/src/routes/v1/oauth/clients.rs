//! `/v1/oauth/clients`: the operator registers clients.

use axum::extract::State;
use axum::http::StatusCode;
use proofs::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, Principal};
use crate::http::extract::{Json, Path, typed};
use crate::http::{AppState, Page};
use crate::oauth::client::{self, AddError, Client, NewClient};
use crate::problem::{self, Pointed, Problem, ProblemDocument};
use crate::routes::words::Title;

/// A client.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientItem {
    /// Its `client_id`.
    pub id: String,
    /// What people are told it is called.
    pub name: Title,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Has it a secret?
    pub confidential: bool,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// A client that was registered.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddedClient {
    /// The client.
    #[serde(flatten)]
    pub client: ClientItem,
    /// Its secret, told this once; null for a public client.
    pub secret: Option<String>,
}

/// A client to be registered.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `NewClient` reads")]
pub struct NewClientBody {
    /// Its `client_id`: a slug. No two ever have the same.
    id: String,
    /// What people are told it is called.
    name: Title,
    /// Where people may be sent back to: https, http on 127.0.0.1 or [::1], or an app's own scheme; 1 to 20.
    redirect_uris: Vec<String>,
    /// Can it keep a secret? Then it is given one.
    confidential: Option<bool>,
}

impl From<Client> for ClientItem {
    fn from(client: Client) -> Self {
        Self {
            id: client.id.to_string(),
            name: (&client.name).into(),
            redirect_uris: client.redirect_uris,
            confidential: client.confidential,
            created_at: client.created_at,
        }
    }
}

/// The clients, by name.
#[utoipa::path(get, path = "/v1/oauth/clients", operation_id = "listClients", tag = "Consent",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "All clients", body = Page<ClientItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_clients(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<axum::Json<Page<ClientItem>>, Problem> {
    operator(&caller)?;
    let clients = client::list(state.store()).await?;
    Ok(axum::Json(Page::all(clients.into_iter().map(ClientItem::from).collect())))
}

/// Registers a client.
#[utoipa::path(post, path = "/v1/oauth/clients", operation_id = "addClient", tag = "Consent",
    security(("bearer" = [])), request_body = NewClientBody,
    responses(
        (status = 201, description = "It is registered", body = AddedClient),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn add_client(
    State(state): State<AppState>,
    caller: Caller,
    Json(body): Json,
) -> Result<(StatusCode, axum::Json<AddedClient>), Problem> {
    operator(&caller)?;
    let new: NewClient = typed(body)?;
    let added = client::add(state.store(), new).await.map_err(|error| match error {
        AddError::Faults(faults) => {
            let pointed = |fault: domain::Fault| Pointed { pointer: fault.pointer, detail: fault.message };
            Problem::invalid("The client cannot be registered so.")
                .with_errors(faults.into_iter().map(pointed).collect())
        }
        AddError::Taken => Problem::new(problem::STATE_CONFLICT, problem::sentence(&error.to_string())),
        AddError::Store(error) => error.into(),
    })?;
    let document = AddedClient { client: added.client.into(), secret: added.secret };
    Ok((StatusCode::CREATED, axum::Json(document)))
}

/// Removes a client: it is let in no more from now on, whatever it holds. Its name is never another's.
#[utoipa::path(delete, path = "/v1/oauth/clients/{client}", operation_id = "removeClient", tag = "Consent",
    security(("bearer" = [])), params(("client" = String, Path, description = "Its `client_id`")),
    responses(
        (status = 204, description = "It is removed"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn remove_client(
    State(state): State<AppState>,
    caller: Caller,
    Path(client): Path<String>,
) -> Result<StatusCode, Problem> {
    operator(&caller)?;
    if client::remove(state.store(), &client).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}

fn operator(caller: &Caller) -> Result<(), Problem> {
    if caller.principal == Principal::Operator {
        return Ok(());
    }
    Err(Problem::new(problem::FORBIDDEN, "Clients are registered by the operator."))
}
