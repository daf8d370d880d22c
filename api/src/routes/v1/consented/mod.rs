//! `/v1/consented`: what a third party reads by a person's consent, and all that it reads.

mod list;
mod record;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accesses::{Endpoint, Looker};
use crate::auth::{Caller, Principal};
use crate::consents::Consent;
use crate::http::AppState;
use crate::oauth::client;
use crate::problem::{self, Problem};

/// How its readings are told.
const ENDPOINT: Endpoint = Endpoint::Consented;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_consented_records))
        .routes(routes!(record::get_consented_record))
}

/// The consent by which the caller reads, as the journal has it at this moment.
async fn consent(state: &AppState, caller: &Caller) -> Result<Consent, Problem> {
    let Principal::ThirdParty { client, consent } = &caller.principal else {
        let detail = "This is for third parties, with a token that they got by a person's consent.";
        return Err(Problem::new(problem::FORBIDDEN, detail));
    };
    let registered = client::find(state.store(), client).await?.is_some();
    let found = Consent::read(state, *consent).await?;
    let ended = || {
        Problem::new(
            problem::CONSENT_ENDED,
            "The consent by which this token reads has been withdrawn, or is over.",
        )
    };
    let found = found.filter(|found| registered && found.client == *client).ok_or_else(ended)?;
    if found.stands(state).await? { Ok(found) } else { Err(ended()) }
}

/// Who looks: each reading is an access that the person sees.
fn looker(consent: &Consent) -> Looker {
    Looker::ThirdParty {
        client: consent.client.clone(),
        person: consent.person,
        consent: consent.record,
        purpose: consent.purpose.clone(),
    }
}
