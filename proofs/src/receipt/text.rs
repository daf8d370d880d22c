//! A receipt as text that survives paper: between two marks, the base64url of its JSON, in lines.
//!
//! A page that shows a receipt holds this text, so that the page, saved or printed to a file, can be verified itself;
//! what was copied from it may have lost or gained white space.

use std::borrow::Cow;

use crate::encoding;

/// The line before.
pub const BEGIN: &str = "-----BEGIN REESTR RECEIPT-----";
/// The line after.
pub const END: &str = "-----END REESTR RECEIPT-----";

/// Fits a line of small print on paper.
const LINE: usize = 76;

/// The text of a receipt's JSON.
pub fn write(json: &[u8]) -> String {
    let base64 = encoding::b64u(json);
    let mut text = format!("{BEGIN}\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        // base64 is ASCII, so that every place is between two characters.
        let (line, more) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(END);
    text.push('\n');
    text
}

/// The JSON of a receipt in what a person has: the JSON itself, or a text or page with the first receipt between its marks.
/// Nothing when there is none.
pub fn find(document: &[u8]) -> Option<Cow<'_, [u8]>> {
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    if document.trim_ascii_start().starts_with(b"{") {
        return Some(Cow::Borrowed(document));
    }
    let begin = place(document, BEGIN.as_bytes())? + BEGIN.len();
    let inner = &document[begin..];
    let inner = &inner[..place(inner, END.as_bytes())?];
    let base64: Vec<u8> = inner.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    encoding::b64u_decode(std::str::from_utf8(&base64).ok()?).map(Cow::Owned)
}

fn place(document: &[u8], mark: &[u8]) -> Option<usize> {
    document.windows(mark.len()).position(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_wherever_it_stands() {
        for json in [&b"{}"[..], &b"{\"leaf\":\"a\"}".repeat(20)] {
            let text = write(json);
            assert!(text.lines().all(|line| line.len() <= LINE));
            let page = format!("\u{feff}<!doctype html><pre>{text}</pre>");
            let copied = text.replace('\n', " \r\n\u{c} ");
            for document in [&text, &page, &copied] {
                assert_eq!(find(document.as_bytes()).as_deref(), Some(json), "{document}");
            }
            assert_eq!(find(json).as_deref(), Some(json));
        }
        assert_eq!(find(b"\xef\xbb\xbf {}").as_deref(), Some(&b" {}"[..]));
    }

    #[test]
    fn what_has_none_has_none() {
        let text = write(b"{}");
        for none in ["", "[]", "receipt", BEGIN, END, &text.replace(END, ""), &text.replace("e30", "e3=")] {
            assert_eq!(find(none.as_bytes()), None, "{none}");
        }
    }
}
