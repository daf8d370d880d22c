//! Parameters, as OAuth 2.0 sends them: `application/x-www-form-urlencoded` (RFC 6749 appendix B).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::Query;
use axum::http::Uri;

/// Parameters by name. One that stands twice is refused (RFC 6749 section 3.1); one without a value counts as absent.
#[derive(Debug, Default)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Of a query or of the body of a form; nothing when it is not of that form.
    pub fn parse(text: &str) -> Option<Self> {
        let uri = Uri::builder().path_and_query(format!("/?{text}")).build().ok()?;
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri).ok()?;
        let mut found = BTreeMap::new();
        for (name, value) in pairs {
            if value.contains('\0') || found.insert(name, value).is_some() {
                return None;
            }
        }
        found.retain(|_, value| !value.is_empty());
        Some(Self(found))
    }

    /// A parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// An address with parameters added to those that it has.
pub fn with_parameters(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut address = address.to_owned();
    for (name, value) in parameters {
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(name);
        address.push('=');
        encode(value, &mut address);
    }
    address
}

/// Everything but the unreserved characters of RFC 3986 section 2.3, which stand the same way in queries and forms.
fn encode(value: &str, into: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

/// `%xx` and `+` undone, as in the two halves of a client's Basic credentials (RFC 6749 section 2.3.1).
pub fn decode(value: &str) -> Option<String> {
    Parameters::parse(&format!("v={value}"))?.0.remove("v")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_once_and_empty_ones_are_absent() {
        let found = Parameters::parse("a=1&b=%D1%8F+%26&c=&d").unwrap();
        assert_eq!((found.get("a"), found.get("b")), (Some("1"), Some("я &")));
        assert_eq!((found.get("c"), found.get("d"), found.get("e")), (None, None, None));
        for bad in ["a=1&a=2", "a=&a=1", "a=%00", "a b"] {
            assert!(Parameters::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_address_keeps_the_query_that_it_has() {
        let added = with_parameters("https://bank.example/cb?x=1", &[("code", "a b"), ("state", "я&=")]);
        assert_eq!(added, "https://bank.example/cb?x=1&code=a%20b&state=%D1%8F%26%3D");
        assert_eq!(with_parameters("app.example:/cb", &[("code", "c")]), "app.example:/cb?code=c");
        assert_eq!(decode("a%2Bb+c"), Some("a+b c".to_owned()));
    }
}
