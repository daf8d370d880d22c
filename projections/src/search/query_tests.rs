use domain::definition::Title;
use eventstore::sql::Dialect;
use proptest::prelude::*;

use super::*;
use crate::search::expression::expression;

fn loose(text: &str) -> Vec<String> {
    let query = Query::parse(text).expect("a question");
    query.wanted.iter().map(|term| expression(Dialect::Sqlite, &term.loose)).collect()
}

fn without(text: &str) -> Vec<String> {
    let query = Query::parse(text).expect("a question");
    query.unwanted.iter().map(|node| expression(Dialect::Postgres, node)).collect()
}

#[test]
fn words_beginnings_phrases_and_what_is_left_out() {
    assert_eq!(loose("Разрешения строительство"), [r#""_разрешен""#, r#""_строительств""#]);
    assert_eq!(loose("лицен* a*"), [r#""лицен" *"#, r#""_a""#]);
    assert_eq!(
        loose("\"Общество с ограниченной\" \"Ромашка\""),
        [r#"("общество" AND "с" AND "ограниченной")"#, r#""ромашка""#]
    );
    assert_eq!(loose("“не закрыта"), [r#"("не" AND "закрыта")"#]);
    assert_eq!(loose("дом -кирпичный -\"под снос\" - -- сад"), [r#""_дом""#, r#""_сад""#]);
    assert_eq!(without("дом -кирпичный -\"под снос\""), ["'_кирпичн'", "('под' & 'снос')"]);
    assert_eq!(without("x -иванов@mail.ru"), ["('_иван' & '_mail' & '_ru')"]);
}

#[test]
fn a_number_is_asked_for_in_every_division() {
    assert_eq!(loose("7712123456"), [r#"("7712123456" OR "_7712123456")"#]);
    assert_eq!(
        loose("77 1234"),
        [r#"((("77" OR "_77") AND ("1234" OR "_1234")) OR ("771234" OR "_771234"))"#]
    );
    assert_eq!(loose("Иванов 77"), [r#""_иван""#, r#"("77" OR "_77")"#]);
    assert_eq!(loose("паспорт 77 12*")[1], r#"((("77" OR "_77") AND "12" *) OR "7712" *)"#);
    assert_eq!(Query::parse("А-001 АА·77").unwrap().number.as_deref(), Some("a001aa77"));
}

#[test]
fn a_question_has_a_word_and_an_end() {
    for empty in ["", " ", "-", "*", "\"\"", "!!! ?", "-дом", "-\"дом\" \"\"", "'"] {
        assert_eq!(Query::parse(empty).err(), Some(QueryError::Empty), "{empty}");
    }
    assert_eq!(Query::parse(&"a".repeat(257)).err(), Some(QueryError::TooLong));
    assert_eq!(Query::parse(&"a ".repeat(17)).err(), Some(QueryError::TooLong));
    assert!(Query::parse(&"ab ".repeat(16)).is_ok());
}

#[test]
fn a_title_is_matched_as_a_record_is() {
    let title = Title {
        ru: "Разрешения на строительство".into(), en: "Construction permits".into()
    };
    let title = Document::of_title(&title);
    for (text, found) in [
        ("разрешение", true),
        ("permit", true),
        ("строит*", true),
        ("\"на строительство\"", true),
        ("\"строительство construction\"", false),
        ("лицензия", false),
        ("77 12", false),
    ] {
        let query = Query::parse(text).unwrap();
        assert_eq!(query.wanted.iter().all(|term| term.loose.found_in(&title)), found, "{text}");
    }
}

#[test]
fn the_index_is_asked_for_stems() {
    let of = |text: &str| {
        let query = Query::parse(text).unwrap();
        expression(Dialect::Postgres, &query.wanted[0].loose.indexed())
    };
    assert_eq!(of("Разрешения"), "'_разрешен'");
    assert_eq!(of("\"на строительство\""), "('_на' & '_строительств')");
    assert_eq!(of("лиц*"), "('лиц':* | '_лиц':* | '_л' | '_ли')");
    assert_eq!(of("77*"), "'77':*");
    assert_eq!(of("77-12"), of("77 12"));
}

proptest! {
    /// Words of either language, whose stems are shorter, or another word (`flies`, `dying`); numbers; and what is asked for of them.
    #[test]
    fn what_is_found_is_found_in_the_index(
        words in prop::collection::vec(
            "[а-я]{1,12}|[a-z]{1,8}(ies|ied|ying|y|ational|izer|s)?|[а-яa-z]{0,3}[0-9]{1,4}|dying|idly|news",
            1..8,
        ),
        at in any::<prop::sample::Index>(),
        letters in 1..12_usize,
        how in 0..4,
    ) {
        let text = words.join(" ");
        let title = Title { ru: text.clone().into(), en: "flies, skis".into() };
        let document = Document::of_title(&title);
        let word = &words[at.index(words.len())];
        let beginning: String = word.chars().take(letters).collect();
        let question = match how {
            0 => word.clone(),
            1 => format!("{beginning}*"),
            2 => format!("\"{word}\" {beginning}*"),
            _ => format!("\"{text}\""),
        };
        let Ok(query) = Query::parse(&question) else { return Ok(()) };
        for term in &query.wanted {
            prop_assert!(term.loose.found_in(&document) || how == 1 || how == 2, "{question} in {text}");
            if term.loose.found_in(&document) {
                prop_assert!(term.loose.indexed().found_in(&document.indexed()), "{question} in {text}");
            }
        }
    }

    /// Whatever is asked, the databases are given words, and operators that we put between them.
    #[test]
    fn any_text_is_a_question_or_none(text in r#"([-"*а-яёА-Я a-z0-9'&|!:()<>{}_\\^+№.]|AND|OR|NOT|NEAR|\PC){0,60}"#) {
        let Ok(query) = Query::parse(&text) else { return Ok(()) };
        let nodes = query.wanted.iter().flat_map(|term| [&term.loose, &term.exact]).chain(&query.unwanted);
        for node in nodes {
            for (dialect, mark) in [(Dialect::Sqlite, '"'), (Dialect::Postgres, '\'')] {
                let written = expression(dialect, node);
                for (at, piece) in written.split(mark).enumerate() {
                    if at % 2 == 1 {
                        let word = piece.strip_prefix('_').unwrap_or(piece);
                        prop_assert!(!word.is_empty() && word.chars().all(char::is_alphanumeric), "{written}");
                    } else {
                        let ours = |c: char| " ()&|:*ANDOR".contains(c);
                        prop_assert!(piece.chars().all(ours), "{written}");
                    }
                }
            }
        }
    }
}
