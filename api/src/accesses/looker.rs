//! Who looks, as far as it is written down.

use domain::platform::{CONSENTS, PLATFORM};
use proofs::slug::Slug;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::auth::{Caller, Principal};
use crate::http::acting::{Acting, Basis, Whom};

/// Characters of a client's name that are kept: a longer one would make its reading impossible, and this names it still.
const CLIENT_CHARACTERS_MAX: usize = 300;

/// Who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looker {
    /// Someone whose reading is no access: a person who reads what concerns them, or anyone who reads what is public.
    Free,
    /// One in office, who must say what for and by which law.
    Office {
        /// Role and name, as bodies have it in `by`.
        by: Value,
        /// The department that they act for; an auditor acts for none.
        department: Option<Slug>,
    },
    /// A third party, by a person's consent: that says what for.
    ThirdParty {
        /// The client.
        client: String,
        /// Whose consent it is.
        person: Uuid,
        /// The record in `consents`.
        consent: Uuid,
        /// What for, as the consent has it.
        purpose: String,
    },
    /// A person who reads another's account: the record that lets them says why.
    Representative {
        /// Who reads.
        actor: Uuid,
        /// Whose account it is.
        whom: Uuid,
        /// By which records.
        grounds: Option<Basis>,
    },
}

impl Looker {
    /// Whoever holds the store itself, and reads it with a command.
    pub fn local() -> Self {
        let by = json!({ "role": "operator", "department": PLATFORM, "client": "local" });
        Self::Office { by, department: PLATFORM.parse().ok() }
    }

    /// Must purpose and law be named?
    pub fn must_say_why(&self) -> bool {
        matches!(self, Self::Office { .. })
    }

    /// The members of an access that say who looked, for whom, and who answers for it.
    pub fn members(&self) -> Value {
        match self {
            Self::Free => Value::Null,
            Self::Office { by, department: Some(department) } => {
                json!({ "by": by, "department": department, "on_behalf_of": { "department": department } })
            }
            Self::Office { by, department: None } => json!({ "by": by, "department": PLATFORM }),
            Self::ThirdParty { client, purpose, .. } => json!({
                "by": { "role": "third-party", "client": client },
                "department": PLATFORM,
                "purpose": purpose,
            }),
            Self::Representative { actor, whom, .. } => json!({
                "by": { "role": "representative", "person": actor },
                "department": PLATFORM,
                "on_behalf_of": { "person": whom },
            }),
        }
    }

    /// The record by which they may see what stands in this register, where it is one that says so.
    pub fn grounds(&self, register: &Slug) -> Option<(&str, Uuid)> {
        match self {
            Self::Free | Self::Office { .. } => None,
            Self::ThirdParty { consent, .. } => Some((CONSENTS, *consent)),
            Self::Representative { grounds, .. } => {
                let ground = grounds.as_ref()?.ground(register)?;
                Some((ground.register.as_str(), ground.record))
            }
        }
    }

    /// The persons among these of whom someone learns by this look. Whoever acts for a person sees what that person may, who
    /// else is in it being no more theirs to know than before.
    pub fn concerns(&self, person: &Uuid) -> bool {
        match self {
            Self::Free => false,
            // What is read by one person's consent may concern others, who gave none.
            Self::Office { .. } | Self::ThirdParty { .. } => true,
            Self::Representative { whom, .. } => whom == person,
        }
    }

    /// The members that this person is not to see: by whose consent someone reads, and what for, is not theirs to know.
    pub fn hidden_from(&self, person: &Uuid) -> &'static [&'static str] {
        match self {
            Self::ThirdParty { person: whom, .. } if whom != person => &["grounds", "purpose"],
            _ => &[],
        }
    }
}

impl From<&Caller> for Looker {
    fn from(caller: &Caller) -> Self {
        let client = client(&caller.client);
        match &caller.principal {
            Principal::Citizen { .. } => Self::Free,
            Principal::Official { person, department } => Self::Office {
                by: json!({ "role": "official", "person": person, "department": department }),
                department: Some(department.clone()),
            },
            Principal::Department { department } => Self::Office {
                by: json!({ "role": "department", "department": department, "client": client }),
                department: Some(department.clone()),
            },
            Principal::Auditor { .. } => {
                Self::Office { by: json!({ "role": "auditor", "client": client }), department: None }
            }
            Principal::Operator => Self::Office {
                by: json!({ "role": "operator", "department": PLATFORM, "client": client }),
                department: PLATFORM.parse().ok(),
            },
            // Outside `/v1/consented` there is nothing for them: whatever is asked of it must say why, and cannot.
            Principal::ThirdParty { .. } => {
                Self::Office { by: json!({ "role": "third-party", "client": client }), department: None }
            }
        }
    }
}

impl From<Option<&Caller>> for Looker {
    fn from(caller: Option<&Caller>) -> Self {
        caller.map_or(Self::Free, Self::from)
    }
}

impl From<&Acting> for Looker {
    fn from(acting: &Acting) -> Self {
        match acting.whom {
            Whom::Person(whom) if acting.represents() => {
                Self::Representative { actor: acting.actor, whom, grounds: acting.basis.clone() }
            }
            // Of an organisation's account only what concerns the organisation is shown.
            _ => Self::Free,
        }
    }
}

/// A client's name without what no text may have.
fn client(name: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    name.chars().take(CLIENT_CHARACTERS_MAX).map(plain).collect()
}
