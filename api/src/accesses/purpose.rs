//! Why someone reads, as they say it in the headers `Purpose` and `Legal-Basis`.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use crate::problem::Problem;

/// The header that says what for.
pub const PURPOSE: &str = "purpose";
/// The header that says by which law.
pub const LEGAL_BASIS: &str = "legal-basis";
/// Characters of either: less says nothing, and more is no purpose but a story.
pub const CHARACTERS: std::ops::RangeInclusive<usize> = 3..=300;

/// What for, and by which law: well formed where it is there. Whether it must be there, [`super::disclose`] decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purpose {
    /// What for.
    pub purpose: Option<String>,
    /// By which law.
    pub legal_basis: Option<String>,
}

impl Purpose {
    /// From the headers of a request.
    pub fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self { purpose: one(headers, PURPOSE)?, legal_basis: one(headers, LEGAL_BASIS)? })
    }
}

/// The two headers, for the description of an endpoint.
impl IntoParams for Purpose {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let header = |name: &str, description: &str| {
            let builder = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
            let text = ObjectBuilder::new().schema_type(Type::String).build();
            builder.required(Required::False).description(Some(description)).schema(Some(text)).build()
        };
        vec![
            header(
                "Purpose",
                "What for: required, with Legal-Basis, of officials, departments' systems, auditors and operators where the \
                 answer shows what concerns people, who will see it. 3 to 300 characters, ASCII or an RFC 9651 Display String",
            ),
            header("Legal-Basis", "By which law; in the same form"),
        ]
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Purpose {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::read(&parts.headers)
    }
}

fn one(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let bad = || {
        let (least, most) = (CHARACTERS.start(), CHARACTERS.end());
        Problem::invalid(format!(
            "The header {name} stands once, and is {least} to {most} characters of visible ASCII, or of UTF-8 as a Display \
             String (RFC 9651): %\"…\" with each byte outside ASCII as %xx."
        ))
    };
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad());
    }
    value.to_str().ok().and_then(words).map(Some).ok_or_else(bad)
}

/// The text that a header's value stands for; nothing when it is none.
pub fn words(value: &str) -> Option<String> {
    let value = value.trim();
    let text = if value.starts_with("%\"") { display_string(value)? } else { value.to_owned() };
    // Before blanks are cut off, of which a line's end would be one.
    let plain = !text.chars().any(char::is_control);
    let text = text.trim();
    let told = text.chars().filter(|c| c.is_alphanumeric()).count() >= *CHARACTERS.start();
    let fits = CHARACTERS.contains(&text.chars().count());
    (plain && told && fits).then(|| text.to_owned())
}

/// The value that stands for a text: as it is where it is visible ASCII, else as a Display String.
pub fn value(text: &str) -> String {
    use std::fmt::Write as _;
    if !text.starts_with("%\"") && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.to_owned();
    }
    let mut value = String::from("%\"");
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && !matches!(byte, b'%' | b'"') {
            value.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(value, "%{byte:02x}");
        }
    }
    value.push('"');
    value
}

/// A Display String (RFC 9651 section 4.2.10), and nothing after it.
fn display_string(value: &str) -> Option<String> {
    let inside = value.strip_prefix("%\"")?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => bytes.push(hex(rest.next()?)? << 4 | hex(rest.next()?)?),
            b' '..=b'~' if byte != b'"' => bytes.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

/// Lower-case digits only, as the RFC has them.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn both_forms_are_read_and_what_is_neither_is_not() {
        assert_eq!(words(" a complaint ").as_deref(), Some("a complaint"));
        // The example of RFC 9651 section 3.3.8.
        let example = "%\"This is intended for display to %c3%bcsers.\"";
        assert_eq!(words(example).as_deref(), Some("This is intended for display to üsers."));
        for bad in [
            "",
            "ab",
            "  ab  ",
            "...",
            "%\"ab",
            "%\"abc",
            "%\"abc\"x",
            "%\"abc\";a=1",
            "%\"ab\"c\"",
            "%\"%D0%90%D0%91%D0%92\"",
            "%\"abc%d0\"",
            "%\"abc%0\"",
            "%\"abc%0a\"",
            "%\"abc%00\"",
        ] {
            assert_eq!(words(bad), None, "{bad}");
        }
        assert_eq!(words(&"a".repeat(300)).map(|text| text.len()), Some(300));
        assert_eq!(words(&"a".repeat(301)), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["a complaint", "Обращение № 12", "100% \"sure\"", "%\"odd", "ü%üü"] {
            let value = value(text);
            assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value}");
            assert_eq!(words(&value).as_deref(), Some(text), "{value}");
        }
    }

    #[test]
    fn a_header_stands_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(Purpose::read(&headers).ok(), Some(Purpose::default()));
        headers.insert(PURPOSE, HeaderValue::from_static("a complaint"));
        assert_eq!(
            Purpose::read(&headers).ok().and_then(|read| read.purpose).as_deref(),
            Some("a complaint")
        );
        headers.append(PURPOSE, HeaderValue::from_static("another"));
        assert!(Purpose::read(&headers).is_err());
    }
}
