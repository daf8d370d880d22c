//! Cursors and pages: every list is walked by a key that does not change, so that a list that grows while it is
//! walked gives no row twice and leaves none out.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::ProjectionError;

/// The largest page: 200 rows of at most about 1 kB each are some 200 kB of JSON.
pub const PAGE_ROWS_MAX: u32 = 200;

/// The longest cursor that a list gives: a list's name, a dot and at most 20 digits, in base64url.
const CURSOR_BYTES_MAX: usize = 64;

/// Which page of a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Where the page begins: the `next` of the page before, or nothing for the first page.
    pub cursor: Option<String>,
    /// How many rows at most, 1 to [`PAGE_ROWS_MAX`].
    pub limit: u32,
}

impl PageRequest {
    /// The first page of at most `limit` rows.
    pub fn first(limit: u32) -> Self {
        Self { cursor: None, limit }
    }

    /// The page that begins at `cursor`.
    pub fn after(cursor: String, limit: u32) -> Self {
        Self { cursor: Some(cursor), limit }
    }

    /// The rows asked for, and the key after which they begin, both checked.
    pub(crate) fn open(&self, list: List) -> Result<(i64, Option<u64>), ProjectionError> {
        if self.limit == 0 || self.limit > PAGE_ROWS_MAX {
            return Err(ProjectionError::Limit { asked: self.limit });
        }
        let after = self.cursor.as_deref().map(|cursor| decode(list, cursor)).transpose()?;
        Ok((i64::from(self.limit), after))
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, in the order of the list.
    pub items: Vec<T>,
    /// The cursor of the next page; nothing when this is the last.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts to `limit` what was read with one row more than asked for, and makes the cursor from the last row kept.
    pub(crate) fn cut(mut items: Vec<T>, limit: i64, list: List, key: impl Fn(&T) -> u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| encode(list, key(last)));
        Self { items, next }
    }
}

/// The lists that have cursors; a cursor of one is refused by the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Account,
    Accesses,
    History,
    View,
    Offers,
    Tasks,
    Search,
}

impl List {
    fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Accesses => "accesses",
            Self::History => "history",
            Self::View => "view",
            Self::Offers => "offers",
            Self::Tasks => "tasks",
            Self::Search => "search",
        }
    }
}

fn encode(list: List, key: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{key}", list.name()))
}

fn decode(list: List, cursor: &str) -> Result<u64, ProjectionError> {
    let key = || {
        if cursor.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let key: u64 = text.strip_prefix(list.name())?.strip_prefix('.')?.parse().ok()?;
        (i64::try_from(key).is_ok() && encode(list, key) == cursor).then_some(key)
    };
    key().ok_or(ProjectionError::Cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_only_as_it_was_given() {
        let cursor = encode(List::View, 42);
        assert_eq!(decode(List::View, &cursor).ok(), Some(42));
        for bad in ["", "x", "!!!!", &format!("{cursor}="), &encode(List::View, u64::MAX), &"a".repeat(100)] {
            assert!(matches!(decode(List::View, bad), Err(ProjectionError::Cursor)), "{bad}");
        }
        assert!(matches!(decode(List::Account, &cursor), Err(ProjectionError::Cursor)));
        assert!(matches!(
            decode(List::View, &URL_SAFE_NO_PAD.encode("view.042")),
            Err(ProjectionError::Cursor)
        ));
    }

    #[test]
    fn a_page_has_a_next_only_when_there_is_more() {
        let page = Page::cut(vec![1_u64, 2, 3], 2, List::View, |n| *n);
        assert_eq!((page.items, page.next.map(|c| decode(List::View, &c).ok())), (vec![1, 2], Some(Some(2))));
        assert_eq!(Page::cut(vec![1_u64, 2], 2, List::View, |n| *n).next, None);
    }

    #[test]
    fn a_page_is_bounded() {
        for limit in [0, 201] {
            assert!(matches!(PageRequest::first(limit).open(List::View), Err(ProjectionError::Limit { .. })));
        }
        assert_eq!(PageRequest::first(200).open(List::View).ok(), Some((200, None)));
    }
}
