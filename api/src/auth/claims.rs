//! What a token says, and whom it stands for.

use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::AuthError;

/// The roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A person who reads what concerns them.
    Citizen,
    /// A person of a department.
    Official,
    /// A department's system, which appends to its registers.
    Department,
    /// One who verifies registers.
    Auditor,
    /// One who runs the installation: acts for the department `platform`.
    Operator,
    /// A bank, clinic or employer, which reads what a person lets it read.
    #[serde(rename = "third-party")]
    ThirdParty,
}

/// The claims of a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Whom it is for. A list is refused where it does not name this installation.
    pub aud: serde_json::Value,
    /// Whom it stands for: a citizen's or official's record in `persons`, or a system's name.
    pub sub: String,
    /// Until when, in seconds since 1970.
    pub exp: i64,
    /// Since when.
    pub iat: i64,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Role.
    pub role: Role,
    /// Department, for an official or a department's system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<Slug>,
    /// `bodies:*` or `bodies:<register>`, space-separated, for an auditor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The client, of a third party (RFC 9068 section 2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The record in `consents` by which a third party reads. It says whose records these are; the token does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Uuid>,
}

/// Whom a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A person.
    Citizen {
        /// Their record in `persons`.
        person: Uuid,
    },
    /// A person who acts for a department.
    Official {
        /// Their record in `persons`.
        person: Uuid,
        /// The department.
        department: Slug,
    },
    /// A department's system.
    Department {
        /// The department.
        department: Slug,
    },
    /// An auditor.
    Auditor {
        /// Whose bodies they may see.
        bodies: Bodies,
    },
    /// An operator, who acts for `platform`.
    Operator,
    /// A third party that reads by a person's consent.
    ThirdParty {
        /// The client.
        client: String,
        /// The record in `consents`.
        consent: Uuid,
    },
}

/// Whose bodies an auditor may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bodies {
    /// All registers'.
    All,
    /// Those of these registers.
    Of(Vec<Slug>),
}

impl Bodies {
    /// Are the bodies of this register among them?
    pub fn include(&self, register: &Slug) -> bool {
        match self {
            Self::All => true,
            Self::Of(registers) => registers.contains(register),
        }
    }

    /// Unknown scopes open nothing, and are no error: other services may share the token (RFC 6749 section 3.3).
    fn parse(scope: &str) -> Self {
        let mut registers = Vec::new();
        for word in scope.split(' ') {
            match word.strip_prefix("bodies:") {
                Some("*") => return Self::All,
                Some(register) => registers.extend(register.parse()),
                None => {}
            }
        }
        Self::Of(registers)
    }
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Issuer and subject: names one client among all, for limits and idempotency keys.
    pub client: String,
    /// Whom they stand for.
    pub principal: Principal,
    /// Until when: what goes on for longer than a request ends then.
    pub expires_at: Timestamp,
}

impl Caller {
    pub(super) fn from_claims(claims: &Claims) -> Result<Self, AuthError> {
        let person =
            || claims.sub.parse::<Uuid>().map_err(|_| AuthError::Claims("sub is not a person's record"));
        let department = claims.department.clone().ok_or(AuthError::Claims("department is missing"));
        let principal = match claims.role {
            Role::Citizen => Principal::Citizen { person: person()? },
            Role::Official => Principal::Official { person: person()?, department: department? },
            Role::Department => Principal::Department { department: department? },
            Role::Auditor => {
                Principal::Auditor { bodies: Bodies::parse(claims.scope.as_deref().unwrap_or_default()) }
            }
            Role::Operator => Principal::Operator,
            Role::ThirdParty => {
                let client = claims.client_id.clone().ok_or(AuthError::Claims("client_id is missing"))?;
                let consent = claims.consent.ok_or(AuthError::Claims("consent is missing"))?;
                Principal::ThirdParty { client, consent }
            }
        };
        let expires_at = Timestamp::from_millis(claims.exp.saturating_mul(1000));
        Ok(Self { client: format!("{} {}", claims.iss, claims.sub), principal, expires_at })
    }

    /// The role.
    pub fn role(&self) -> Role {
        match self.principal {
            Principal::Citizen { .. } => Role::Citizen,
            Principal::Official { .. } => Role::Official,
            Principal::Department { .. } => Role::Department,
            Principal::Auditor { .. } => Role::Auditor,
            Principal::Operator => Role::Operator,
            Principal::ThirdParty { .. } => Role::ThirdParty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_open_what_they_name_and_no_more() {
        let fines = "fines".parse().unwrap();
        assert!(Bodies::parse("bodies:*").include(&fines));
        assert!(Bodies::parse("openid bodies:fines").include(&fines));
        for scope in
            ["", "bodies", "bodies:", "bodies:fine", "bodies:FINES", "body:fines", "bodies:passports"]
        {
            assert!(!Bodies::parse(scope).include(&fines), "{scope}");
        }
    }
}
