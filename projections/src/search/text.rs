//! Text as it is looked for: words in one spelling, their stems, and numbers without their punctuation.
//!
//! All of it is done here, in Rust: the two databases have other ideas of what a word is, and get words that are ready.

use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// Longer words are cut: none of a language is so long, and PostgreSQL's index takes some 2,000 bytes.
const WORD_CHARS_MAX: usize = 64;

/// A word so short may be a part of a number (`А 001 АА 77`, `IV-АБ № 123456`).
const PART_LETTERS_MAX: usize = 3;

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Its spelling: lower case, е for ё, Latin letters for Cyrillic ones that look alike when it has digits.
    pub form: String,
    /// Does it have a digit?
    pub digits: bool,
}

impl Word {
    fn new(letters: String) -> Self {
        let digits = letters.chars().any(is_digit);
        let mut form = if digits { alike(&letters) } else { letters };
        // A letter has a byte at least.
        if form.len() > WORD_CHARS_MAX
            && let Some((end, _)) = form.char_indices().nth(WORD_CHARS_MAX)
        {
            form.truncate(end);
        }
        Self { form, digits }
    }

    /// Its stem by the Snowball algorithm of its language; a number is its own.
    pub fn stem(&self) -> String {
        static RUSSIAN: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::Russian));
        static ENGLISH: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));
        if self.form.chars().all(|letter| letter.is_ascii_lowercase()) {
            ENGLISH.stem(&self.form).into_owned()
        } else if self.form.chars().all(|letter| matches!(letter, 'а'..='я')) {
            RUSSIAN.stem(&self.form).into_owned()
        } else {
            self.form.clone()
        }
    }

    /// May it be a part of a number that is written with spaces or punctuation?
    pub fn is_part(&self) -> bool {
        self.digits || self.form.chars().count() <= PART_LETTERS_MAX
    }
}

/// The words of a text, in order.
pub(super) fn words(text: &str) -> Vec<Word> {
    if text.chars().all(is_composed) {
        return spelled(text.chars().map(lower));
    }
    // NFKC would make two letters of №.
    let composed = text.chars().map(|letter| if letter == '№' { ' ' } else { letter }).nfkc();
    spelled(composed.flat_map(char::to_lowercase))
}

/// What nearly all texts are written with, and is its own NFKC whatever stands beside it; but for №, which parts words.
fn is_composed(letter: char) -> bool {
    letter.is_ascii() || matches!(letter, 'А'..='я' | 'Ё' | 'ё' | '№' | '«' | '»' | '—')
}

/// The small letter, of what is composed, without the tables that Unicode has for all letters.
fn lower(letter: char) -> char {
    match letter {
        'А'..='Я' => char::from_u32(u32::from(letter) + 0x20).unwrap_or(letter),
        'Ё' => 'ё',
        letter => letter.to_ascii_lowercase(),
    }
}

/// Does it make its word a number?
pub(super) fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit() || !is_composed(letter) && letter.is_numeric()
}

/// Words of text in small letters.
fn spelled(text: impl Iterator<Item = char>) -> Vec<Word> {
    let mut words = Vec::new();
    let mut letters = String::new();
    for letter in text {
        match letter {
            'a'..='z' | '0'..='9' | 'а'..='я' => letters.push(letter),
            'ё' => letters.push('е'),
            // Stress marks, soft hyphens and what is invisible; an apostrophe belongs to its word.
            '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\'' | '’' => {}
            mark if is_combining_mark(mark) => {}
            letter if letter.is_alphanumeric() => letters.push(letter),
            _ => end(&mut letters, &mut words),
        }
    }
    end(&mut letters, &mut words);
    words
}

fn end(letters: &mut String, words: &mut Vec<Word>) {
    if !letters.is_empty() {
        words.push(Word::new(std::mem::take(letters)));
    }
}

/// A number from its parts, without spaces and punctuation. Parts that are letters alone become Latin too.
pub(super) fn join(parts: &[Word]) -> String {
    parts.iter().map(|part| alike(&part.form)).collect::<String>().chars().take(WORD_CHARS_MAX).collect()
}

/// Are these words one number, and not a text with a number in it?
pub(super) fn is_number(words: &[Word]) -> bool {
    words.iter().any(|word| word.digits) && words.iter().all(Word::is_part)
}

/// The Latin letter for a Cyrillic one that looks the same: the twelve that GOST R 50577-2018 allows on number plates,
/// because people type numbers with either.
fn alike(letters: &str) -> String {
    let latin = |letter| match letter {
        'а' => 'a',
        'в' => 'b',
        'е' => 'e',
        'к' => 'k',
        'м' => 'm',
        'н' => 'h',
        'о' => 'o',
        'р' => 'p',
        'с' => 'c',
        'т' => 't',
        'у' => 'y',
        'х' => 'x',
        other => other,
    };
    letters.chars().map(latin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.form).collect()
    }

    #[test]
    fn spelling_does_not_matter() {
        assert_eq!(forms("Алёна, Ко\u{301}валь-Ёлкина"), ["алена", "коваль", "елкина"]);
        // й and ё as a letter and a mark.
        assert_eq!(forms("и\u{306}од е\u{308}ж"), ["йод", "еж"]);
        assert_eq!(forms("ＦＵＬＬ width, driver’s O'Brien"), ["full", "width", "drivers", "obrien"]);
        assert_eq!(forms("ПАС\u{ad}ПОРТ\u{200b} № 45\u{a0}08"), ["паспорт", "45", "08"]);
        assert_eq!(forms(" .,:-_'\u{301} "), [""; 0]);
        assert_eq!(forms(&"я".repeat(1_000))[0].chars().count(), WORD_CHARS_MAX);
    }

    /// No two letters that are taken as they are would be others in NFKC, and what is known of each is what Unicode says.
    #[test]
    fn what_is_composed_stays() {
        let letters: Vec<char> =
            ('\0'..='\u{2fff}').filter(|letter| is_composed(*letter) && *letter != '№').collect();
        for first in &letters {
            assert!(first.to_lowercase().eq([lower(*first)]), "{first:?}");
            assert_eq!(is_digit(*first), first.is_numeric(), "{first:?}");
            let pairs: String = letters.iter().flat_map(|second| [*first, *second]).collect();
            assert!(pairs.nfkc().eq(pairs.chars()), "{first:?}");
        }
        assert_eq!(forms("дом №5—«Ёж»"), ["дом", "5", "еж"]);
    }

    #[test]
    fn stems_are_of_the_word_s_language() {
        let stem = |text: &str| words(text)[0].stem();
        assert_eq!(stem("разрешение"), stem("разрешениями"));
        assert_eq!(stem("permits"), stem("permit"));
        assert_eq!(stem("Лицензия"), stem("лицензий"));
        assert_eq!((stem("a123"), stem("ʻokina")), ("a123".to_owned(), "ʻokina".to_owned()));
    }

    #[test]
    fn a_number_is_found_with_either_alphabet_and_any_punctuation() {
        let plate = |text: &str| join(&words(text));
        assert_eq!(plate("А 001 АА 77"), "a001aa77");
        assert_eq!(plate("A001AA77"), plate("а-001 aa·77"));
        assert_eq!(plate("112-233-445 95"), "11223344595");
        assert!(is_number(&words("112-233-445 95")) && is_number(&words("IV-АБ 123456")));
        assert!(!is_number(&words("дом 5")) || PART_LETTERS_MAX >= 3, "the bound decides");
        assert!(!is_number(&words("улица Мира 5")) && !is_number(&words("АА")) && !is_number(&[]));
    }
}
