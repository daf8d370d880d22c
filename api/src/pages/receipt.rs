//! A receipt as a page to print or keep: what the entry says, what proves it, and the receipt itself, by which the page can
//! be verified.

mod content;
mod words;

use std::fmt::Write as _;

use axum::response::Response;
use domain::definition::{Definition, Kind};
use domain::withholding::{WITHHELD, versions};
use eventstore::StoredEntry;
use proofs::checkpoint::Checkpoint;
use proofs::keyring::Keyring;
use proofs::note::SignedNote;
use proofs::receipt::{Receipt, Witnessed, examine, text};
use proofs::time::Timestamp;
use serde_json::Value;

use self::content::Content;
use self::words::Words;
use super::html::{Alone, Escaped};
use super::language::Language;
use crate::problem::Problem;
use crate::registry::{InForce, Knowledge, parse_body};
use crate::routes::words::department_title;

const STYLE: &str = concat!(include_str!("style.css"), include_str!("receipt/print.css"));

/// What a page is made of.
pub struct ReceiptPage<'a> {
    /// What is in force.
    pub knowledge: &'a Knowledge,
    /// The definition that rules the entry.
    pub in_force: &'a InForce,
    /// The entries of its record.
    pub entries: &'a [StoredEntry],
    /// The entry.
    pub entry: &'a StoredEntry,
    /// When the record first concerned whose account it is.
    pub appeared_at: Timestamp,
    /// The receipt.
    pub receipt: &'a Receipt,
    /// The keys, to find witnesses with.
    pub keys: &'a Keyring,
    /// In which language.
    pub language: Language,
}

impl ReceiptPage<'_> {
    /// The page.
    pub fn respond(&self) -> Result<Response, Problem> {
        let words = Words::of(self.language);
        let json = serde_json::to_vec(self.receipt).map_err(|error| Problem::internal(&error))?;
        let mut body = format!("<h1>{}</h1>\n", words.title);
        self.entry(&mut body, words);
        if self.definition().kind == Kind::Notice {
            self.notice(&mut body, words);
        }
        self.says(&mut body, words)?;
        self.proof(&mut body, words, &json)?;
        verify(&mut body, words);
        put(
            &mut body,
            format_args!(
                "<h2>{}</h2>\n<p>{}</p>\n<pre class=\"receipt\">\n{}</pre>\n",
                words.text,
                words.text_about,
                Escaped(&text::write(&json))
            ),
        );
        Alone { language: self.language.code(), title: words.title, style: STYLE, script: "", body: &body }
            .respond()
    }

    fn definition(&self) -> &Definition {
        &self.in_force.definition
    }

    fn title(&self, title: &domain::definition::Title) -> String {
        Escaped(self.language.of(&title.into())).to_string()
    }

    fn entry(&self, body: &mut String, words: &Words) {
        let statement = self.entry.statement.statement();
        let definition = self.definition();
        let entry_type = definition.entry_type(statement.entry_type.as_str());
        let entry_type =
            entry_type.map_or_else(|| statement.entry_type.to_string(), |rule| self.title(&rule.title));
        let issuer = department_title(self.knowledge, statement.issuer.as_str());
        body.push_str("<table>\n");
        for (name, value) in [
            (words.register, self.title(&definition.title)),
            (words.entry, entry_type),
            (words.issuer, Escaped(self.language.of(&issuer)).to_string()),
            (words.recorded, moment(self.entry.recorded_at)),
            (words.effective, moment(statement.effective_at)),
            (words.record, format!("<code>{}/{}</code>", statement.register, statement.record)),
            (words.version, statement.version.to_string()),
            (words.index, self.entry.index.to_string()),
        ] {
            row(body, name, &value);
        }
        body.push_str("</table>\n");
    }

    fn notice(&self, body: &mut String, words: &Words) {
        let recorded_at = self.entry.recorded_at;
        put(
            body,
            format_args!(
                "<h2>{}</h2>\n<div class=\"served\">\n<p>{} <strong>{}</strong>.</p>\n<p>{}</p>\n",
                words.appeared,
                words.appeared_at,
                moment(recorded_at),
                words.served
            ),
        );
        if self.appeared_at != recorded_at {
            put(body, format_args!("<p>{} {}.</p>\n", words.first_appeared, moment(self.appeared_at)));
        }
        put(body, format_args!("<p>{}</p>\n<ul>\n", words.laws));
        for law in &self.definition().legal_basis {
            put(body, format_args!("<li>{}: {}</li>\n", self.title(&law.title), Escaped(&law.citation)));
        }
        body.push_str("</ul>\n</div>\n");
    }

    fn says(&self, body: &mut String, words: &Words) -> Result<(), Problem> {
        put(body, format_args!("<h2>{}</h2>\n", words.says));
        if let Some(says) = &self.receipt.body {
            let definition = self.definition();
            let rule = definition.entry_type(self.entry.statement.statement().entry_type.as_str());
            body.push_str(&Content { definition, rule, language: self.language }.html(says));
            return Ok(());
        }
        put(body, format_args!("<p>{}</p>\n", words.withheld));
        if let Some(order) = self.order()? {
            let said = |member: &str| Escaped(order[member].as_str().unwrap_or_default()).to_string();
            put(
                body,
                format_args!(
                    "<p>{} {}, № {} {} {}. {}</p>\n",
                    words.order,
                    said("authority"),
                    said("number"),
                    words.order_of,
                    said("date"),
                    said("law")
                ),
            );
        }
        Ok(())
    }

    /// The order by which the body is withheld, as a later entry of the record names it.
    fn order(&self) -> Result<Option<Value>, Problem> {
        let version = self.entry.version();
        let later = self.entries.iter().filter(|entry| entry.version() > version);
        for entry in later.filter(|entry| entry.statement.statement().entry_type == *WITHHELD) {
            let names = |body: &Value| versions(body).contains(&version);
            if let Some(mut body) = parse_body(entry)?.filter(names) {
                return Ok(Some(body["order"].take()));
            }
        }
        Ok(None)
    }

    fn proof(&self, body: &mut String, words: &Words, json: &[u8]) -> Result<(), Problem> {
        let note =
            SignedNote::parse(&self.receipt.proof.checkpoint).map_err(|error| Problem::internal(&error))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| Problem::internal(&error))?;
        let keys = note.signatures().iter().filter(|line| line.name == checkpoint.origin);
        let keys: Vec<String> = keys.map(|line| format!("<code>{:08x}</code>", line.id)).collect();
        let witnessed =
            examine(json, self.keys, None).proven.map(|proven| proven.witnessed).unwrap_or_default();
        let named: Vec<String> = witnessed
            .iter()
            .map(|Witnessed { witness, at }| format!("{} ({})", Escaped(witness), moment(*at)))
            .collect();
        let named = if named.is_empty() { words.no_witnesses.to_owned() } else { named.join("<br>") };
        put(body, format_args!("<h2>{}</h2>\n<p>{}</p>\n<table>\n", words.proof, words.proof_text));
        row(body, words.origin, &format!("<code>{}</code>", Escaped(&checkpoint.origin)));
        row(body, words.size, &checkpoint.size.to_string());
        row(body, words.root, &format!("<code>{}</code>", checkpoint.root));
        row(body, words.signed, &keys.join(", "));
        row(body, words.witnesses, &named);
        body.push_str("</table>\n");
        if let Some(first) = witnessed.first() {
            put(body, format_args!("<p>{} <strong>{}</strong>.</p>\n", words.witnessed, moment(first.at)));
        }
        Ok(())
    }
}

fn verify(body: &mut String, words: &Words) {
    put(
        body,
        format_args!(
            "<h2>{}</h2>\n<p>{}</p>\n<p>{}</p>\n<pre>reestr verify receipt FILE --keys keys.json</pre>\n<p>{}</p>\n",
            words.verify, words.verify_page, words.verify_command, words.verify_keys
        ),
    );
}

fn row(body: &mut String, name: &str, value: &str) {
    put(body, format_args!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n"));
}

/// A moment for people, and for programs that read the page.
fn moment(time: Timestamp) -> String {
    let written = time.to_string();
    let (day, clock) = written.trim_end_matches('Z').split_once('T').unwrap_or((&written, ""));
    format!("<time datetime=\"{written}\">{day} {clock} UTC</time>")
}

fn put(body: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = body.write_fmt(text);
}
