//! Why someone reads what concerns people: asked for together with a token, since the people concerned see it.

use clap::Args;

use crate::failure::Failure;

/// `--purpose` and `--legal-basis`.
#[derive(Args, Debug, Clone, Default)]
pub struct WhyArgs {
    /// What you read for; the people whose data you are shown see it in their accounts.
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// By which law you read, as "Federal Law 41-FZ, article 14".
    #[arg(long, value_name = "TEXT")]
    pub legal_basis: Option<String>,
}

/// The two headers' values, as they travel.
#[derive(Debug, Clone)]
pub struct Why {
    /// `Purpose`.
    pub purpose: String,
    /// `Legal-Basis`.
    pub legal_basis: String,
}

impl WhyArgs {
    /// Both, where a token is used: no default would be true for everyone, and nobody would say more than the default.
    pub fn said(&self) -> Result<Why, Failure> {
        let (Some(purpose), Some(legal_basis)) = (&self.purpose, &self.legal_basis) else {
            return Err(Failure::usage(
                "with a token, say why you read: --purpose \"what for\" and --legal-basis \"by which law\"; \
                 the people whose data you are shown see both in their accounts",
            ));
        };
        Ok(Why { purpose: header("--purpose", purpose)?, legal_basis: header("--legal-basis", legal_basis)? })
    }
}

fn header(option: &str, text: &str) -> Result<String, Failure> {
    let value = api::accesses::value(text.trim());
    match api::accesses::words(&value) {
        Some(_) => Ok(value),
        None => Err(Failure::usage(format!("{option} is 3 to 300 characters on one line"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_needed_and_each_says_something() {
        let of = |purpose: Option<&str>, legal_basis: Option<&str>| WhyArgs {
            purpose: purpose.map(str::to_owned),
            legal_basis: legal_basis.map(str::to_owned),
        };
        let why = of(Some("годовая проверка"), Some("41-FZ")).said().unwrap();
        assert!(why.purpose.starts_with("%\"%d0") && why.legal_basis == "41-FZ");
        for (purpose, legal_basis) in [
            (None, None),
            (Some("audit"), None),
            (None, Some("41-FZ")),
            (Some("x"), Some("41-FZ")),
            (Some("a\nb c"), Some("41-FZ")),
        ] {
            assert!(of(purpose, legal_basis).said().is_err(), "{purpose:?} {legal_basis:?}");
        }
    }
}
