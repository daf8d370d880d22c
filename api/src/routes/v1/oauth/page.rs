//! What a client asks for, as a page: for a person whose browser was sent here without a portal.

use std::fmt::Write as _;

use axum::response::Response;

use super::authorize::AuthorisationDocument;
use crate::pages::html::{Escaped, page, respond as as_html};
use crate::routes::words::Title;

/// One language's words.
struct Words {
    language: &'static str,
    asks: &'static str,
    purpose: &'static str,
    registers: &'static str,
    back: &'static str,
    decide: &'static str,
    of: fn(&Title) -> &str,
}

const WORDS: [Words; 2] = [
    Words {
        language: "ru",
        asks: "просит разрешения читать сведения о вас",
        purpose: "Цель, как её называет проситель",
        registers: "Реестры",
        back: "После решения вы вернётесь на",
        decide: "Решите на портале, где вы входите в личный кабинет: там можно выбрать, что открыть и на какой срок, или отказать.",
        of: |title| &title.ru,
    },
    Words {
        language: "en",
        asks: "asks for leave to read what concerns you",
        purpose: "What for, in its own words",
        registers: "Registers",
        back: "After your decision you return to",
        decide: "Decide at the portal where you sign in to your account: there you choose what to open and until when, or refuse.",
        of: |title| &title.en,
    },
];

/// The page, in both languages.
pub fn respond(document: &AuthorisationDocument) -> Response {
    let mut body = String::new();
    for words in &WORDS {
        section(&mut body, words, document);
    }
    as_html(page("ru", &document.client.name.ru, &body))
}

fn section(body: &mut String, words: &Words, document: &AuthorisationDocument) {
    let mut registers = String::new();
    // Writing to a String cannot fail.
    for register in &document.registers {
        let _ = write!(registers, "<li>{}</li>", Escaped((words.of)(&register.title)));
    }
    let _ = writeln!(
        body,
        "<section lang=\"{language}\">\n<h1>{name} {asks}</h1>\n<p>{purpose}: <q>{what}</q></p>\n<h2>{titled}</h2>\n\
         <ul>{registers}</ul>\n<p>{back} <code>{redirect}</code>.</p>\n<p>{decide}</p>\n</section>",
        language = words.language,
        name = Escaped((words.of)(&document.client.name)),
        asks = words.asks,
        purpose = words.purpose,
        what = Escaped(&document.purpose),
        titled = words.registers,
        back = words.back,
        redirect = Escaped(&document.redirect_uri),
        decide = words.decide,
    );
}
