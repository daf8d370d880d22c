//! In which language a page is asked for.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::problem::Problem;
use crate::routes::words::Title;

/// A language that pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Russian.
    Russian,
    /// English.
    English,
}

/// In which language.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LanguageQuery {
    /// `ru` or `en`; Russian when nothing is said.
    pub language: Option<String>,
}

impl LanguageQuery {
    /// The language that is asked for.
    pub fn language(&self) -> Result<Language, Problem> {
        match self.language.as_deref() {
            None | Some("ru") => Ok(Language::Russian),
            Some("en") => Ok(Language::English),
            Some(_) => Err(Problem::invalid("`language` is `ru` or `en`.")),
        }
    }
}

impl Language {
    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Russian => "ru",
            Self::English => "en",
        }
    }

    /// A title in it.
    pub fn of(self, title: &Title) -> &str {
        match self {
            Self::Russian => &title.ru,
            Self::English => &title.en,
        }
    }
}
