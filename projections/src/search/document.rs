//! What is indexed of a record, a person, or a register's title.

use std::collections::BTreeSet;

use domain::{content::Content, definition::Title, subject};
use serde_json::Value;
use uuid::Uuid;

use super::text::{self, Word};

/// Between two values, so that a phrase does not go from one into the next. No word is so written.
const BREAK: &str = ".";

/// Before a stem, so that a beginning of a word (`лиц*`) is looked for among words and not among stems.
pub(super) const STEM: char = '_';

/// What is indexed of one record, cut here: a tsvector of PostgreSQL holds a megabyte at most, and the names of 100
/// subjects come beside it. A body has at most 256 KiB.
const BYTES_MAX: usize = 400_000;

/// A number may stand in a text in so many parts (`77:01:0001001:1234`).
pub(super) const PARTS_MAX: usize = 5;

/// Indexed text: words in order, and what else finds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    words: Vec<String>,
    extras: BTreeSet<String>,
    bytes: usize,
}

impl Document {
    /// Of a record's content: every text and number in it.
    pub fn of_content(content: &Content) -> Self {
        let mut document = Self::default();
        for (name, value) in &content.members {
            if name == subject::MEMBER {
                document.subjects(value);
            } else {
                document.value(value);
            }
        }
        document
    }

    /// Of a person, what their records are found by: name, SNILS and INN. The two numbers are found whole only: a
    /// beginning would let whoever may search guess them digit by digit.
    pub fn of_person(content: &Content) -> Self {
        let mut document = Self::default();
        let name = content.members.get("name");
        let part = |part| name.and_then(|name| name.get(part)).and_then(Value::as_str);
        let parts: Vec<&str> = ["family", "given", "patronymic"].into_iter().filter_map(part).collect();
        document.text(&parts.join(" "));
        for number in ["snils", "inn"].iter().filter_map(|number| content.members.get(*number)?.as_str()) {
            document.extra(format!("{STEM}{}", text::join(&text::words(number))));
        }
        document
    }

    /// Of a register's title, in both languages.
    pub fn of_title(title: &Title) -> Self {
        let mut document = Self::default();
        document.text(&title.ru);
        document.text(&title.en);
        document
    }

    /// The words, and a break between values.
    pub fn words(&self) -> String {
        self.words.join(" ")
    }

    /// Stems, numbers, joined numbers, and words that do not begin with their stems, in order.
    pub fn extras(&self) -> String {
        self.extras.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// The part that PostgreSQL indexes.
    #[cfg(test)]
    pub fn indexed(&self) -> Self {
        Self { words: Vec::new(), ..self.clone() }
    }

    /// Does it have this word, stem or joined number?
    pub fn has(&self, token: &str) -> bool {
        self.extras.contains(token) || self.words.iter().any(|word| word == token)
    }

    /// Does it have a word that begins so?
    pub fn has_beginning(&self, beginning: &str) -> bool {
        self.words.iter().chain(&self.extras).any(|token| token.starts_with(beginning))
    }

    /// Does it have these words one after another?
    pub fn has_sequence(&self, sequence: &[String]) -> bool {
        self.words.windows(sequence.len().max(1)).any(|words| words == sequence)
    }

    /// Organisations by what they are called; persons are found by their names, which stand elsewhere.
    fn subjects(&mut self, member: &Value) {
        for subject in subject::read(member) {
            if let Some(organisation) = subject.organisation() {
                let numbers = [organisation.inn.as_deref(), organisation.ogrn.as_deref()];
                for text in [Some(organisation.name.as_str())].into_iter().chain(numbers).flatten() {
                    self.text(text);
                }
            }
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => self.text(&number.to_string()),
            Value::String(text) => match Uuid::try_parse(text) {
                Ok(id) => self.extra(id.simple().to_string()),
                Err(_) => self.text(text),
            },
            Value::Array(items) => items.iter().for_each(|item| self.value(item)),
            Value::Object(members) => members.values().for_each(|member| self.value(member)),
        }
    }

    fn text(&mut self, text: &str) {
        let words = text::words(text);
        if words.is_empty() || !self.room(BREAK.len()) {
            return;
        }
        if !self.words.is_empty() {
            self.words.push(BREAK.to_owned());
        }
        self.numbers(&words);
        for word in words {
            // PostgreSQL's index has numbers themselves, and of other words the stem: the word too where it does not begin with it.
            if word.digits {
                self.extra(word.form.clone());
            } else {
                let stem = word.stem();
                if !word.form.starts_with(&stem) {
                    self.extra(word.form.clone());
                }
                self.extra(format!("{STEM}{stem}"));
            }
            if self.room(word.form.len()) {
                self.words.push(word.form);
            }
        }
    }

    /// Numbers that are written in parts. A value that is one number is joined as a whole; in a text any few parts that
    /// stand together may be one.
    fn numbers(&mut self, words: &[Word]) {
        if text::is_number(words) && (2..=PARTS_MAX).contains(&words.len()) {
            self.extra(text::join(words));
            return;
        }
        for run in words.split(|word| !word.is_part()) {
            for parts in 2..=PARTS_MAX.min(run.len()) {
                for window in run.windows(parts).filter(|window| text::is_number(window)) {
                    self.extra(text::join(window));
                }
            }
        }
    }

    fn extra(&mut self, token: String) {
        if !self.extras.contains(&token) && self.room(token.len()) {
            self.extras.insert(token);
        }
    }

    fn room(&mut self, bytes: usize) -> bool {
        let room = self.bytes + bytes < BYTES_MAX;
        if room {
            self.bytes += bytes + 1;
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(members: Value) -> Content {
        let Value::Object(members) = members else { panic!("an object") };
        Content { members, complete: true }
    }

    #[test]
    fn every_text_and_number_of_a_content_is_indexed() {
        let document = Document::of_content(&content(json!({
            "number": "77 12 123456", "issued": "2026-01-31", "sum": 1500, "public": true, "note": null,
            "address": {"region": "Тверская область", "lines": ["ул. Мира", "д. 5"]},
            "case": "018f4e5a-7c11-7000-8000-0000000000aa",
            "subjects": [
                {"role": "holder", "person": "018f4e5a-7c11-7000-8000-0000000000bb"},
                {"role": "payer", "organisation": {"name": "ООО «Ромашка»", "inn": "7707083893"}},
            ],
        })));
        let words = document.words();
        for word in ["77", "1500", "31", "тверская", "мира", "ромашка", "7707083893"] {
            assert!(document.has(word), "{word}: {words}");
        }
        for token in ["7712123456", "20260131", "_тверск", "018f4e5a7c11700080000000000000aa"] {
            assert!(document.has(token), "{token}: {}", document.extras());
        }
        for absent in ["true", "holder", "payer", "018f4e5a7c11700080000000000000bb"] {
            assert!(!document.has(absent), "{absent}");
        }
        let sequence = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert!(document.has_sequence(&sequence(&["тверская", "область"])));
        assert!(!document.has_sequence(&sequence(&["мира", "тверская"])), "{words}");
    }

    #[test]
    fn a_person_s_numbers_are_found_whole_only() {
        let person = Document::of_person(&content(json!({
            "name": {"family": "Иванова", "given": "Анна"}, "snils": "112-233-445 95", "inn": "500100732259",
            "phone": "+79990000000",
        })));
        assert_eq!(person.words(), "иванова анна");
        assert!(person.has("_11223344595") && person.has("_500100732259"));
        for beginning in ["1122", "11", "5001", "7999"] {
            assert!(!person.has_beginning(beginning), "{beginning}");
        }
    }

    #[test]
    fn a_number_in_a_text_is_found_joined() {
        let document =
            Document::of_content(&content(json!({"text": "Выдан паспорт 77 12 123456 отделом полиции"})));
        assert!(document.has("7712123456") && document.has("7712") && document.has("123456"));
    }

    #[test]
    fn a_long_content_is_cut() {
        let text = (0..100_000).map(|n| n.to_string()).collect::<Vec<_>>();
        let document = Document::of_content(&content(json!({ "text": text })));
        let bytes = document.words().len() + document.extras().len();
        assert!((BYTES_MAX / 2..=BYTES_MAX).contains(&bytes), "{bytes}");
    }
}
