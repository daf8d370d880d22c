//! The lines of `bodies.ndjson`: the private half of each entry, in order.

use std::io::{self, BufRead, Read, Take};

use proofs::body::{BODY_BYTES_MAX, Salt};
use proofs::jcs;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest line: a body, and some 100 bytes round it.
const LINE_BYTES_MAX: usize = BODY_BYTES_MAX + 128;

/// A line: the body of the entry at an index, with its salt; nothing where it is withheld.
#[derive(Debug)]
pub struct Line {
    /// Leaf index.
    pub index: u64,
    /// The canonical body, and the salt of its digest.
    pub body: Option<(Box<str>, Salt)>,
}

/// Writes a line.
pub fn write(out: &mut Vec<u8>, index: u64, body: Option<(&[u8], &Salt)>) {
    out.extend_from_slice(br#"{"body":"#);
    out.extend_from_slice(body.map_or(b"null", |(body, _)| body));
    out.extend_from_slice(format!(r#","index":{index},"salt":"#).as_bytes());
    match body {
        Some((_, salt)) => out.extend_from_slice(format!("\"{salt}\"").as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b"}\n");
}

/// How many bytes the lines of a log have: of its entries, of those with a body, and of their bodies' bytes.
pub fn bytes(entries: u64, bodies: u64, body_bytes: u64) -> u64 {
    // `{"body":` and `,"index":` and `,"salt":` and `}` and the line's end.
    const FRAME: u64 = 8 + 9 + 8 + 2;
    const NULL: u64 = 4;
    // 16 bytes in base64url, in quotes.
    const SALT: u64 = 22 + 2;
    entries * FRAME + digits(entries) + body_bytes + bodies * SALT + (entries - bodies) * 2 * NULL
}

/// The digits of all indexes below a number.
fn digits(entries: u64) -> u64 {
    let mut sum = entries;
    let mut scale: u64 = 10;
    while scale < entries {
        sum += entries - scale;
        scale = scale.saturating_mul(10);
    }
    sum
}

/// Reads lines, one after the other.
pub struct Lines<R> {
    source: Take<R>,
    next: u64,
}

impl<R: BufRead> Lines<R> {
    /// The lines of so many bytes from where `source` stands.
    pub fn new(source: R, bytes: u64) -> Self {
        Self { source: source.take(bytes), next: 0 }
    }

    /// The index that the next line must have.
    pub fn next_index(&self) -> u64 {
        self.next
    }

    /// Bytes that are still to be read.
    pub fn rest(&self) -> u64 {
        self.source.limit()
    }

    /// The next line, or what is wrong with it; the lines after it can still be read. `None` at the end.
    pub fn read(&mut self) -> io::Result<Option<Result<Line, String>>> {
        let index = self.next;
        Ok(self.raw()?.map(|line| parse(&line?, index)))
    }

    /// The next line as it stands, for [`parse`].
    pub fn raw(&mut self) -> io::Result<Option<Result<Vec<u8>, String>>> {
        let mut bytes = Vec::new();
        (&mut self.source).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.next += 1;
        if bytes.len() == LINE_BYTES_MAX && bytes.last() != Some(&b'\n') {
            self.skip_line()?;
            return Ok(Some(Err(format!("the line is longer than {LINE_BYTES_MAX} bytes"))));
        }
        Ok(Some(Ok(bytes)))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.source.fill_buf()?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let (used, done) = end.map_or((buffer.len(), buffer.is_empty()), |end| (end + 1, true));
            self.source.consume(used);
            if done {
                return Ok(());
            }
        }
    }
}

/// Reads a line, which must be of this index and in the one form. Errors name no value: it may be personal.
pub fn parse(bytes: &[u8], expected: u64) -> Result<Line, String> {
    match shown(bytes, expected) {
        Some((body, salt)) => Ok(Line { index: expected, body: Some((body.into(), salt)) }),
        None => explain(bytes, expected),
    }
}

/// The body and the salt of a line with both, read by its one form.
fn shown(bytes: &[u8], expected: u64) -> Option<(&str, Salt)> {
    let line = std::str::from_utf8(bytes).ok()?;
    let (body, salt) = line.strip_prefix(r#"{"body":"#)?.strip_suffix("\"}\n")?.rsplit_once('"')?;
    let body = body.strip_suffix(&format!(r#","index":{expected},"salt":"#))?;
    let is_body = body != "null" && jcs::is_canonical(body);
    Some((body, salt.parse().ok()?)).filter(|_| is_body)
}

/// Any other line: one without a body, or what is wrong with it.
fn explain(bytes: &[u8], expected: u64) -> Result<Line, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Members {
        body: Option<Box<RawValue>>,
        index: u64,
        salt: Option<Salt>,
    }
    let members: Members = serde_json::from_slice(bytes)
        .map_err(|_| "the line is not a JSON object of body, index and salt".to_owned())?;
    if members.index != expected {
        return Err(format!("the line is of entry {}", members.index));
    }
    let body = match (members.body, members.salt) {
        (Some(body), Some(salt)) => Some((body, salt)),
        (None, None) => None,
        _ => return Err("body and salt go together: one without the other proves nothing".to_owned()),
    };
    let mut written = Vec::with_capacity(bytes.len());
    let canonical = body.as_ref().map(|(body, salt)| {
        let value = jcs::parse(body.get().as_bytes())?;
        Ok((jcs::canonical(&value)?, salt))
    });
    let canonical = canonical.transpose().map_err(|error: jcs::JcsError| format!("the body: {error}"))?;
    write(&mut written, expected, canonical.as_ref().map(|(body, salt)| (body.as_slice(), *salt)));
    if written == bytes {
        Ok(Line { index: expected, body: body.map(|(body, salt)| (body.into(), salt)) })
    } else {
        Err("the line is not in canonical form (RFC 8785), or does not end in a newline".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<Result<Line, String>> {
        let mut lines = Lines::new(text, text.len() as u64);
        std::iter::from_fn(|| lines.read().unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read_and_counted() {
        let salt = Salt([7; 16]);
        let bodies: Vec<Option<&[u8]>> = (0..1_234)
            .map(|index| if index % 3 == 0 { None } else { Some(br#"{"a":[1,"x"]}"#.as_slice()) })
            .collect();
        let mut text = Vec::new();
        for (body, index) in bodies.iter().zip(0..) {
            write(&mut text, index, body.map(|body| (body, &salt)));
        }
        let some = bodies.iter().flatten();
        let counted = bytes(1_234, some.clone().count() as u64, some.map(|body| body.len() as u64).sum());
        assert_eq!(counted, text.len() as u64);
        assert_eq!(bytes(0, 0, 0), 0);
        for (line, (body, index)) in read(&text).into_iter().zip(bodies.iter().zip(0..)) {
            let line = line.unwrap();
            assert_eq!(line.index, index);
            assert_eq!(line.body.as_ref().map(|(body, _)| body.as_bytes()), *body);
        }
    }

    #[test]
    fn a_line_in_any_other_form_is_refused_and_the_next_is_read() {
        let good = br#"{"body":null,"index":1,"salt":null}"#;
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"body":null,"index":1,"salt":null}"#,
            r#"{"body":null,"index":0,"salt":null} "#,
            r#"{"index":0,"body":null,"salt":null}"#,
            r#"{"body":null,"index":0,"salt":null,"x":1}"#,
            r#"{"body":{},"index":0,"salt":null}"#,
            r#"{"body":null,"index":0,"salt":"BwcHBwcHBwcHBwcHBwcHBw"}"#,
            r#"{"body":{"b":1,"a":1},"index":0,"salt":"BwcHBwcHBwcHBwcHBwcHBw"}"#,
            r#"{"body":{"a":1,"a":1},"index":0,"salt":"BwcHBwcHBwcHBwcHBwcHBw"}"#,
            r#"{"body":{ },"index":0,"salt":"BwcHBwcHBwcHBwcHBwcHBw"}"#,
        ] {
            let text = [bad.as_bytes(), b"\n", good, b"\n"].concat();
            let found = read(&text);
            assert!(found.len() == 2 && found[0].is_err() && found[1].is_ok(), "{bad}: {found:?}");
        }
        assert!(read(br#"{"body":null,"index":0,"salt":null}"#)[0].is_err(), "no newline at the end");
        let long = [vec![b'x'; 2 * LINE_BYTES_MAX], b"\n".to_vec(), good.to_vec(), b"\n".to_vec()].concat();
        let found = read(&long);
        assert!(found.len() == 2 && found[0].is_err() && found[1].is_ok(), "a long line");
    }
}
