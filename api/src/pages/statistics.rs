//! `GET /statistics` and `GET /statistics/{register}`: the open statistics as tables, in Russian or English.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use projections::statistics::By;
use proofs::slug::Slug;

use super::html::{self, Escaped};
use super::language::{Language, LanguageQuery};
use crate::http::AppState;
use crate::http::extract::{Path, Query};
use crate::problem::Problem;
use crate::registry::Knowledge;
use crate::routes::v1::statistics::{Asked, StatisticsRow, StatisticsTable, table};
use crate::routes::words::Title;

/// As long as the figures themselves may be kept.
const CACHED: &str = "public, max-age=60";

/// The words of the pages.
struct Words {
    language: &'static str,
    other: (&'static str, &'static str),
    title: &'static str,
    about: &'static str,
    all: &'static str,
    register: &'static str,
    records: &'static str,
    entries: &'static str,
    status: (&'static str, &'static str),
    entry_type: (&'static str, &'static str),
    month: (&'static str, &'static str),
    region: (&'static str, &'static str),
    until: &'static str,
    small: &'static str,
    no_month: &'static str,
    other_regions: &'static str,
}

const RUSSIAN: Words = Words {
    language: "ru",
    other: ("en", "In English"),
    title: "Статистика реестров",
    about: "Сколько в реестрах учётных записей и сколько событий в них внесено. Те же числа в машинном виде:",
    all: "Все реестры",
    register: "Реестр",
    records: "Учётных записей",
    entries: "Событий",
    status: ("Учётные записи по состоянию", "Состояние"),
    entry_type: ("События по видам", "Вид"),
    month: ("События по месяцам внесения (UTC)", "Месяц"),
    region: ("События по регионам", "Регион"),
    until: "По законченным месяцам, последний:",
    small: "Чтобы не выдать сведений об отдельных людях, регион назван, только если за месяц события одного вида \
        касаются в нём стольких человек или больше:",
    no_month: "Ни один месяц ещё не закончен: по регионам пока ничего не сообщается.",
    other_regions: "Прочие и неизвестные регионы",
};

const ENGLISH: Words = Words {
    language: "en",
    other: ("ru", "По-русски"),
    title: "Statistics of registers",
    about: "How many records the registers have, and how many entries were made. The same figures for machines:",
    all: "All registers",
    register: "Register",
    records: "Records",
    entries: "Entries",
    status: ("Records by status", "Status"),
    entry_type: ("Entries by type", "Type"),
    month: ("Entries by month of recording (UTC)", "Month"),
    region: ("Entries by region", "Region"),
    until: "Of months that are over, the last being",
    small: "So that nothing is given away of single people, a region is named only where the entries of one type in \
        one month concern at least so many people there:",
    no_month: "No month is over yet: nothing is told by region so far.",
    other_regions: "Other and unknown regions",
};

impl Words {
    fn asked(query: &LanguageQuery) -> Result<&'static Self, Problem> {
        Ok(match query.language()? {
            Language::Russian => &RUSSIAN,
            Language::English => &ENGLISH,
        })
    }

    fn of<'a>(&self, title: &'a Title) -> &'a str {
        if self.language == "en" { &title.en } else { &title.ru }
    }

    /// The address in this language.
    fn at(&self, path: &str) -> String {
        if self.language == "ru" { path.to_owned() } else { format!("{path}?language={}", self.language) }
    }

    /// The same page in the other language.
    fn switch(&self, path: &str) -> String {
        let (language, name) = self.other;
        format!(
            "<p><a href=\"{path}?language={language}\" hreflang=\"{language}\" lang=\"{language}\">{name}</a></p>\n"
        )
    }
}

/// All registers.
pub async fn statistics(
    State(state): State<AppState>,
    Query(query): Query<LanguageQuery>,
) -> Result<Response, Problem> {
    let words = Words::asked(&query)?;
    let knowledge = state.registry().knowledge();
    let by = By { register: true, ..By::default() };
    let entries = table(&state, &knowledge, None, Asked::Entries(by)).await?;
    let records = table(&state, &knowledge, None, Asked::Records { register: true }).await?;
    let records_of = |row: &StatisticsRow| -> u64 {
        records.rows.iter().filter(|other| other.register == row.register).map(|other| other.count).sum()
    };
    let mut body = format!(
        "<h1>{title}</h1>\n{switch}<p>{about} <a href=\"/v1/statistics\"><code>/v1/statistics</code></a></p>\n\
         <table>\n<thead><tr><th scope=\"col\">{register}</th><th scope=\"col\">{records}</th>\
         <th scope=\"col\">{entries}</th></tr></thead>\n<tbody>\n",
        title = words.title,
        switch = words.switch("/statistics"),
        about = words.about,
        register = words.register,
        records = words.records,
        entries = words.entries,
    );
    for row in &entries.rows {
        let slug = row.register.as_deref().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            body,
            "<tr><th scope=\"row\"><a href=\"{address}\">{title}</a></th><td>{records}</td><td>{entries}</td></tr>",
            address = words.at(&format!("/statistics/{slug}")),
            title = Escaped(row.register_title.as_ref().map_or(slug, |title| words.of(title))),
            records = records_of(row),
            entries = row.count,
        );
    }
    body.push_str("</tbody>\n</table>\n");
    Ok(respond(words, words.title, &body))
}

/// One register.
pub async fn register(
    State(state): State<AppState>,
    Path(register): Path<String>,
    Query(query): Query<LanguageQuery>,
) -> Result<Response, Problem> {
    let words = Words::asked(&query)?;
    let (knowledge, found) = state.register(&register).await?;
    let definition = &found.definition;
    let title = words.of(&(&definition.title).into()).to_owned();
    let mut body = format!(
        "<h1>{title}</h1>\n{switch}<p><a href=\"{all}\">{name}</a></p>\n",
        title = Escaped(&title),
        switch = words.switch(&format!("/statistics/{register}")),
        all = words.at("/statistics"),
        name = words.all,
    );
    let one = One { state: &state, knowledge: &knowledge, register: &definition.slug, words };
    body.push_str(&one.render().await?);
    Ok(respond(words, &title, &body))
}

/// The tables of one register.
struct One<'a> {
    state: &'a AppState,
    knowledge: &'a Knowledge,
    register: &'a Slug,
    words: &'static Words,
}

impl One<'_> {
    async fn render(&self) -> Result<String, Problem> {
        let words = self.words;
        let none = By::default();
        let mut body = String::new();
        for (heading, asked) in [
            (words.status, Asked::Records { register: false }),
            (words.entry_type, Asked::Entries(By { entry_type: true, ..none })),
            (words.month, Asked::Entries(By { month: true, ..none })),
            (words.region, Asked::Entries(By { region: true, ..none })),
        ] {
            let table = table(self.state, self.knowledge, Some(self.register), asked).await?;
            self.section(&mut body, heading, &table);
        }
        Ok(body)
    }

    fn section(&self, body: &mut String, (heading, column): (&str, &str), table: &StatisticsTable) {
        let words = self.words;
        // Writing to a String cannot fail.
        let _ = writeln!(body, "<h2>{heading}</h2>");
        match (&table.until, table.threshold) {
            (Some(None), _) => {
                let _ = writeln!(body, "<p>{}</p>", words.no_month);
                return;
            }
            (Some(Some(until)), Some(threshold)) => {
                let _ = writeln!(body, "<p>{} {until}. {} {threshold}.</p>", words.until, words.small);
            }
            _ => {}
        }
        let counted = if table.counted == "records" { words.records } else { words.entries };
        let _ = writeln!(
            body,
            "<table>\n<thead><tr><th scope=\"col\">{column}</th><th scope=\"col\">{counted}</th></tr></thead>\n<tbody>"
        );
        for row in &table.rows {
            let name = self.name(row);
            let _ = writeln!(body, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", Escaped(name), row.count);
        }
        body.push_str("</tbody>\n</table>\n");
    }

    /// What a row is of.
    fn name<'r>(&self, row: &'r StatisticsRow) -> &'r str {
        let title = row.status_title.as_ref().or(row.type_title.as_ref()).map(|title| self.words.of(title));
        let code =
            [&row.status, &row.entry_type, &row.month, &row.region].into_iter().find_map(Option::as_deref);
        title.or(code).unwrap_or(self.words.other_regions)
    }
}

fn respond(words: &Words, title: &str, body: &str) -> Response {
    let mut response = html::respond(html::page(words.language, title, body));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHED));
    response
}
