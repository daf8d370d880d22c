//! References to keys of PKCS#11 devices: URIs as RFC 7512 has them, of the few attributes that name a key.

use std::fmt;

use cryptoki::object::Attribute;

/// Which key: the token's label, and the key's label or identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUri {
    /// Label of the token.
    pub token: String,
    object: Option<String>,
    id: Option<Vec<u8>>,
}

impl KeyUri {
    /// Reads `pkcs11:token=…;object=…` or `pkcs11:token=…;id=%01%02`, or both in any order.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "{text} {why}; a key of a device is written pkcs11:token=LABEL;object=LABEL or pkcs11:token=LABEL;id=%01"
            )
        };
        let path = text.strip_prefix("pkcs11:").ok_or_else(|| wrong("is no PKCS#11 URI"))?;
        let (mut token, mut object, mut id) = (None, None, None);
        for attribute in path.split(';') {
            let (name, value) =
                attribute.split_once('=').ok_or_else(|| wrong("has an attribute without a value"))?;
            let value = decode(value).ok_or_else(|| wrong("has a value that is not percent-encoded"))?;
            let label =
                || String::from_utf8(value.clone()).map_err(|_| wrong("has a label that is not UTF-8"));
            let twice = match name {
                "token" => token.replace(label()?).is_some(),
                "object" => object.replace(label()?).is_some(),
                "id" => id.replace(value).is_some(),
                // A PIN does not belong into a database, and what we do not look at must not seem to matter.
                _ => return Err(wrong("has an attribute other than token, object and id")),
            };
            if twice {
                return Err(wrong("has an attribute twice"));
            }
        }
        let token = token.ok_or_else(|| wrong("names no token"))?;
        if object.is_none() && id.is_none() {
            return Err(wrong("names no key"));
        }
        Ok(Self { token, object, id })
    }

    /// What to look for on the token, besides the class.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute> + use<> {
        let object = self.object.clone().map(|label| Attribute::Label(label.into_bytes()));
        object.into_iter().chain(self.id.clone().map(Attribute::Id))
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pkcs11:token=")?;
        encode(self.token.as_bytes(), f)?;
        if let Some(object) = &self.object {
            write!(f, ";object=")?;
            encode(object.as_bytes(), f)?;
        }
        if let Some(id) = &self.id {
            write!(f, ";id=")?;
            id.iter().try_for_each(|byte| write!(f, "%{byte:02X}"))?;
        }
        Ok(())
    }
}

fn encode(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            write!(f, "{}", char::from(*byte))
        }
        _ => write!(f, "%{byte:02X}"),
    })
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        for text in
            ["pkcs11:token=a;object=b", "pkcs11:token=a%20b;id=%01%FF", "pkcs11:token=t;object=%D0%B8;id=%00"]
        {
            assert_eq!(KeyUri::parse(text).unwrap().to_string(), text);
        }
        let any_order = KeyUri::parse("pkcs11:id=%01;object=b;token=a").unwrap();
        assert_eq!(any_order.to_string(), "pkcs11:token=a;object=b;id=%01");
        assert_eq!(any_order.attributes().count(), 2);
    }

    #[test]
    fn what_names_no_key_is_refused() {
        for text in [
            "",
            "file:a",
            "pkcs11:",
            "pkcs11:token=a",
            "pkcs11:object=b",
            "pkcs11:token=a;object=b;object=c",
            "pkcs11:token=a;object=b;pin-value=1234",
            "pkcs11:token=a;object=%G0",
            "pkcs11:token=a;object=%0",
            "pkcs11:token=%FF;object=b",
        ] {
            assert!(KeyUri::parse(text).is_err(), "{text}");
        }
    }
}
