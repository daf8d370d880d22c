//! What an entry says, as nested lists: each member under its title, where the definition has one.

use std::fmt::Write as _;

use domain::definition::{Definition, TypeRule, provided_defs};
use serde_json::{Map, Value};

use crate::pages::html::Escaped;
use crate::pages::language::Language;

/// Members that the engine itself gives to every schema.
const PROVIDED: [(&str, &str, &str); 23] = [
    ("subjects", "Кого касается", "Whom it concerns"),
    ("role", "Роль", "Role"),
    ("person", "Человек (учётная запись в реестре persons)", "Person (record in the register persons)"),
    ("organisation", "Организация", "Organisation"),
    ("basis", "Основание", "Basis"),
    ("reason", "Причина", "Reason"),
    ("corrects", "Исправляет версию", "Corrects version"),
    ("document", "Документ", "Document"),
    ("number", "Номер", "Number"),
    ("date", "Дата", "Date"),
    ("authority", "Орган", "Authority"),
    ("law", "Закон", "Law"),
    ("name", "Название", "Name"),
    ("inn", "ИНН", "Taxpayer's number"),
    ("ogrn", "ОГРН", "Number in the register of legal entities"),
    ("address", "Адрес", "Address"),
    ("region", "Регион", "Region"),
    ("city", "Населённый пункт", "City"),
    ("street", "Улица", "Street"),
    ("house", "Дом", "House"),
    ("flat", "Квартира", "Flat"),
    ("amount", "Сумма", "Amount"),
    ("currency", "Валюта", "Currency"),
];

/// How an entry of one type is told in one language.
pub struct Content<'a> {
    pub definition: &'a Definition,
    pub rule: Option<&'a TypeRule>,
    pub language: Language,
}

impl Content<'_> {
    /// The body as HTML. Bodies nest no deeper than JSON is read.
    pub fn html(&self, body: &Value) -> String {
        let mut html = String::new();
        self.value(&mut html, body, self.rule.map(|rule| &rule.schema), true);
        html
    }

    fn value(&self, html: &mut String, value: &Value, schema: Option<&Value>, top: bool) {
        let schema = schema.map(|schema| self.resolved(schema));
        // Writing to a String cannot fail.
        let _ = match value {
            Value::Object(members) => {
                self.members(html, members, schema, top);
                Ok(())
            }
            Value::Array(items) => {
                let schema = schema.and_then(|schema| schema.get("items"));
                html.push_str("<ul>");
                for item in items {
                    html.push_str("<li>");
                    self.value(html, item, schema, false);
                    html.push_str("</li>");
                }
                html.write_str("</ul>")
            }
            Value::String(text) => write!(html, "{}", Escaped(text)),
            Value::Bool(yes) => html.write_str(match (self.language, yes) {
                (Language::Russian, true) => "да",
                (Language::Russian, false) => "нет",
                (Language::English, true) => "yes",
                (Language::English, false) => "no",
            }),
            Value::Number(number) => write!(html, "{number}"),
            Value::Null => html.write_str("—"),
        };
    }

    /// A sum of money in one line.
    fn money(members: &Map<String, Value>) -> Option<String> {
        let said = |name: &str| members.get(name).and_then(Value::as_str);
        let (amount, currency) = said("amount").zip(said("currency")).filter(|_| members.len() == 2)?;
        Some(format!("{} {}", Escaped(amount), Escaped(currency)))
    }

    fn members(&self, html: &mut String, members: &Map<String, Value>, schema: Option<&Value>, top: bool) {
        if let Some(sum) = Self::money(members) {
            html.push_str(&sum);
            return;
        }
        html.push_str("<dl>");
        for (name, value) in members {
            let member = schema.and_then(|schema| schema.get("properties")).and_then(|known| known.get(name));
            let _ = write!(html, "<dt>{}</dt><dd>", self.title(name, member, top));
            match value.as_str().filter(|_| name == "role").and_then(|role| self.definition.role(role)) {
                Some(role) => {
                    let _ = write!(html, "{}", Escaped(self.language.of(&(&role.title).into())));
                }
                None => self.value(html, value, member, false),
            }
            html.push_str("</dd>");
        }
        html.push_str("</dl>\n");
    }

    /// What a member is called: as the definition says, as the engine says, or by its own name.
    fn title(&self, name: &str, schema: Option<&Value>, top: bool) -> String {
        let definition = self.definition;
        if let Some(number) = definition.number.as_ref().filter(|number| top && number.member == name) {
            return Escaped(self.language.of(&(&number.title).into())).to_string();
        }
        if let Some(validity) = definition.validity.as_ref().filter(|_| top) {
            let term = [
                (&validity.from, "Действует с", "Valid from"),
                (&validity.until, "Действует по", "Valid until"),
            ];
            if let Some((_, ru, en)) = term.into_iter().find(|(member, ..)| *member == name) {
                return self.either(ru, en).to_owned();
            }
        }
        let own =
            schema.and_then(|schema| schema.get("title").or_else(|| self.resolved(schema).get("title")));
        // A schema has one title, in the language of those who keep the register; members are named in English.
        if let (Language::Russian, Some(title)) = (self.language, own.and_then(Value::as_str)) {
            return Escaped(title).to_string();
        }
        match (PROVIDED.iter().find(|(known, ..)| *known == name), self.language) {
            (Some((_, ru, en)), _) => self.either(ru, en).to_owned(),
            (None, Language::English) => Escaped(&name.replace('_', " ")).to_string(),
            (None, Language::Russian) => format!("<code>{}</code>", Escaped(name)),
        }
    }

    fn either<'t>(&self, russian: &'t str, english: &'t str) -> &'t str {
        match self.language {
            Language::Russian => russian,
            Language::English => english,
        }
    }

    /// The schema that a reference into the definition's own or the engine's `$defs` names; one step is enough for a title.
    fn resolved<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"));
        let own = |name| self.definition.defs.as_ref().and_then(|defs| defs.get(name));
        name.and_then(|name| own(name).or_else(|| provided_defs().get(name))).unwrap_or(schema)
    }
}
