//! Base64 and decimals, in the one encoding that each value has.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// base64url without padding (RFC 4648 section 5), as JOSE uses it.
pub(crate) fn b64u(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends base64url without padding.
pub(crate) fn b64u_onto(bytes: impl AsRef<[u8]>, text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Strict: no padding, no white space, no bits left over.
pub(crate) fn b64u_decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Exactly `N` bytes, strictly encoded.
pub(crate) fn b64u_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    array(&URL_SAFE_NO_PAD, text)
}

/// Standard base64 with padding (RFC 4648 section 4), as C2SP uses it.
pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Strict: padding where due, no white space, no bits left over.
pub(crate) fn b64_decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Exactly `N` bytes, strictly encoded.
pub(crate) fn b64_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    array(&STANDARD, text)
}

fn array<const N: usize>(engine: &impl base64::Engine, text: &str) -> Option<[u8; N]> {
    // Longest first: an oversized text must not cost an allocation of its own size.
    if text.len() > N.div_ceil(3) * 4 {
        return None;
    }
    engine.decode(text).ok()?.try_into().ok()
}

/// An ASCII decimal with no sign and no leading zeroes, as C2SP writes sizes and indices.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || (text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

/// `serde` as a string through `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
