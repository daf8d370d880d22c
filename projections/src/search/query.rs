//! What is asked: words that must all stand in what is found, `"as written"`, `begin*`, `-without`.
//!
//! Any text is a question. It is taken apart here and put together anew for the database, from letters and digits alone, so
//! that nothing in it can be taken for an operator of FTS5 or tsquery.

use std::fmt;

use super::{
    document::{Document, PARTS_MAX, STEM},
    text::{self, Word},
};

/// The longest question: some thirty words.
pub const QUERY_CHARS_MAX: usize = 256;

/// The most words of a question; each is looked up in the index.
pub const QUERY_WORDS_MAX: usize = 16;

/// The shortest beginning: a single letter begins a thirtieth of all words.
const BEGINNING_LETTERS_MIN: usize = 2;

/// Why a text is no question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It has nothing to look for.
    #[error("it names no word to look for; `-word` alone only leaves out")]
    Empty,
    /// It is too long.
    #[error("it has more than {QUERY_CHARS_MAX} characters or {QUERY_WORDS_MAX} words")]
    TooLong,
}

/// A question.
#[derive(Clone, PartialEq, Eq)]
pub struct Query {
    pub(super) wanted: Vec<Term>,
    pub(super) unwanted: Vec<Node>,
    /// The whole question as one official number.
    pub(super) number: Option<String>,
}

impl fmt::Debug for Query {
    /// Without its words, which may be somebody's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({} wanted, {} unwanted)", self.wanted.len(), self.unwanted.len())
    }
}

/// One thing that must be found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Term {
    /// In any of its forms.
    pub loose: Node,
    /// As it was written.
    pub exact: Node,
}

/// What is looked up in the index.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// This word, stem or joined number.
    Token(String),
    /// A word that begins so.
    Beginning(String),
    /// These words one after another; never within another node.
    Sequence(Vec<String>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

impl Term {
    /// What a record must still have where the register's title is this; nothing when the title has it all. A part of a term may
    /// be in the title and another in the record: in `N-2 permits` the number is the record's.
    pub fn beyond(&self, title: &Document) -> Option<Self> {
        let parts = |loose: &[Node], exact: &[Node]| -> Vec<Option<Self>> {
            let pairs = loose.iter().zip(exact);
            pairs
                .map(|(loose, exact)| Self { loose: loose.clone(), exact: exact.clone() }.beyond(title))
                .collect()
        };
        let (parts, of): (_, fn(Vec<Node>) -> Node) = match (&self.loose, &self.exact) {
            (Node::All(loose), Node::All(exact)) => {
                (parts(loose, exact).into_iter().flatten().collect::<Vec<_>>(), Node::All)
            }
            (Node::Any(loose), Node::Any(exact)) => {
                (parts(loose, exact).into_iter().collect::<Option<Vec<_>>>()?, Node::Any)
            }
            (loose, _) => return (!loose.found_in(title)).then(|| self.clone()),
        };
        let (loose, exact): (Vec<_>, Vec<_>) = parts.into_iter().map(|term| (term.loose, term.exact)).unzip();
        (!loose.is_empty()).then(|| Self { loose: of(loose), exact: of(exact) })
    }
}

impl Node {
    /// Is it found in this text?
    pub fn found_in(&self, document: &Document) -> bool {
        match self {
            Self::Token(token) => document.has(token),
            Self::Beginning(beginning) => document.has_beginning(beginning),
            Self::Sequence(words) => document.has_sequence(words),
            Self::All(nodes) => nodes.iter().all(|node| node.found_in(document)),
            Self::Any(nodes) => nodes.iter().any(|node| node.found_in(document)),
        }
    }

    /// What PostgreSQL's index answers of it: stems, numbers, and words that do not begin with their stems. Whatever has this node has that
    /// one too; the reverse holds only where they are equal.
    pub fn indexed(&self) -> Self {
        match self {
            Self::Token(token) => Self::Token(indexed(token)),
            Self::Beginning(beginning) if beginning.chars().any(text::is_digit) => self.clone(),
            Self::Beginning(beginning) => {
                // A word that begins so has a stem that begins so, or one that is shorter.
                let shorter = beginning.char_indices().skip(1).map(|(end, _)| &beginning[..end]);
                let shorter = shorter.map(|stem| Self::Token(format!("{STEM}{stem}")));
                let longer = [self.clone(), Self::Beginning(format!("{STEM}{beginning}"))];
                Self::Any(longer.into_iter().chain(shorter).collect())
            }
            Self::Sequence(words) => Self::All(words.iter().map(|word| Self::Token(indexed(word))).collect()),
            Self::All(nodes) => Self::All(nodes.iter().map(Self::indexed).collect()),
            Self::Any(nodes) => Self::Any(nodes.iter().map(Self::indexed).collect()),
        }
    }

    fn all(mut nodes: Vec<Self>) -> Self {
        if nodes.len() == 1 { nodes.remove(0) } else { Self::All(nodes) }
    }
}

/// What is indexed of a token.
fn indexed(token: &str) -> String {
    if token.starts_with(STEM) || token.chars().any(text::is_digit) {
        return token.to_owned();
    }
    let word = Word { form: token.to_owned(), digits: false };
    format!("{STEM}{}", word.stem())
}

/// A word of the question, and whether a longer one will do.
struct Item {
    word: Word,
    beginning: bool,
}

impl Query {
    /// Takes a text as a question.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.chars().count() > QUERY_CHARS_MAX {
            return Err(QueryError::TooLong);
        }
        let mut query = Self { wanted: Vec::new(), unwanted: Vec::new(), number: None };
        let mut plain: Vec<Item> = Vec::new();
        let mut count = 0;
        for Part { text, quoted, negated } in parts(text) {
            let items = items(text, quoted);
            count += items.len();
            if count > QUERY_WORDS_MAX {
                return Err(QueryError::TooLong);
            }
            match (items.is_empty(), negated, quoted) {
                (true, ..) => {}
                (_, true, false) => query.unwanted.push(Node::all(nodes(&items, true))),
                (_, true, true) => query.unwanted.push(phrase(&items)),
                (_, false, true) => {
                    query.want(&std::mem::take(&mut plain));
                    let node = phrase(&items);
                    query.wanted.push(Term { loose: node.clone(), exact: node });
                }
                (_, false, false) => plain.extend(items),
            }
        }
        query.want(&plain);
        if query.wanted.is_empty() {
            return Err(QueryError::Empty);
        }
        if query.unwanted.is_empty() {
            query.number = Some(text::join(&text::words(text)));
        }
        Ok(query)
    }

    fn want(&mut self, items: &[Item]) {
        let terms = nodes(items, true).into_iter().zip(nodes(items, false));
        self.wanted.extend(terms.map(|(loose, exact)| Term { loose, exact }));
    }
}

/// A piece of the question: what stands between spaces, or between quotation marks.
struct Part<'a> {
    text: &'a str,
    quoted: bool,
    negated: bool,
}

fn parts(text: &str) -> Vec<Part<'_>> {
    const QUOTES: [char; 4] = ['"', '“', '”', '„'];
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let bare = rest.strip_prefix('-');
        let negated = bare.is_some_and(|bare| bare.starts_with(|next: char| !next.is_whitespace()));
        let from = bare.unwrap_or(rest);
        let quoted = from.strip_prefix(QUOTES);
        let (part, after) = if let Some(inside) = quoted {
            // A mark that is not closed is closed by the end.
            inside.split_once(QUOTES).unwrap_or((inside, ""))
        } else {
            from.split_at(from.find(|c: char| c.is_whitespace() || QUOTES.contains(&c)).unwrap_or(from.len()))
        };
        parts.push(Part { text: part, quoted: quoted.is_some(), negated });
        rest = after.trim_start();
    }
    parts
}

fn items(text: &str, quoted: bool) -> Vec<Item> {
    let words = text::words(text);
    let starred = !quoted && text.ends_with('*');
    let count = words.len();
    let item = |(at, word): (usize, Word)| {
        let long = word.form.chars().count() >= BEGINNING_LETTERS_MIN;
        Item { beginning: starred && at + 1 == count && long, word }
    };
    words.into_iter().enumerate().map(item).collect()
}

/// A node for each word, and one for several words that may be one number.
fn nodes(items: &[Item], loose: bool) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = 0;
    while at < items.len() {
        let run = number_at(&items[at..]);
        nodes.push(if run > 1 { joined(&items[at..at + run], loose) } else { single(&items[at], loose) });
        at += run.max(1);
    }
    nodes
}

/// How many words from the first may be one number.
fn number_at(items: &[Item]) -> usize {
    let mut length = 0;
    for item in items.iter().take(PARTS_MAX) {
        if !item.word.is_part() {
            break;
        }
        length += 1;
        if item.beginning {
            break;
        }
    }
    let digits = items[..length].iter().any(|item| item.word.digits);
    if digits { length } else { 0 }
}

/// Words that may be one number, however it is divided: each division will do.
fn joined(items: &[Item], loose: bool) -> Node {
    if let [item] = items {
        return single(item, loose);
    }
    let mut divisions = Vec::new();
    for parts in 1..=items.len() {
        let (head, rest) = items.split_at(parts);
        let head = if let [item] = head { single(item, loose) } else { whole(head) };
        let Some(head) = Some(head).filter(|_| parts == 1 || has_digits(&items[..parts])) else { continue };
        divisions.push(if rest.is_empty() { head } else { Node::All(vec![head, joined(rest, loose)]) });
    }
    Node::Any(divisions)
}

fn has_digits(items: &[Item]) -> bool {
    items.iter().any(|item| item.word.digits)
}

/// Parts as one number.
fn whole(items: &[Item]) -> Node {
    let words: Vec<Word> = items.iter().map(|item| item.word.clone()).collect();
    let number = text::join(&words);
    if items.last().is_some_and(|item| item.beginning) {
        Node::Beginning(number)
    } else {
        number_node(number)
    }
}

/// A number stands as a word, or as one that is found whole only.
fn number_node(number: String) -> Node {
    let whole_only = format!("{STEM}{number}");
    Node::Any(vec![Node::Token(number), Node::Token(whole_only)])
}

fn single(item: &Item, loose: bool) -> Node {
    let form = item.word.form.clone();
    if item.beginning {
        Node::Beginning(form)
    } else if item.word.digits {
        number_node(form)
    } else if loose {
        Node::Token(format!("{STEM}{}", item.word.stem()))
    } else {
        Node::Token(form)
    }
}

/// Words in quotation marks: as written, one after another; a number in any punctuation.
fn phrase(items: &[Item]) -> Node {
    let words: Vec<Word> = items.iter().map(|item| item.word.clone()).collect();
    if text::is_number(&words) && words.len() <= PARTS_MAX {
        return joined(items, false);
    }
    match items {
        [item] => Node::Token(item.word.form.clone()),
        _ => Node::Sequence(words.into_iter().map(|word| word.form).collect()),
    }
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
