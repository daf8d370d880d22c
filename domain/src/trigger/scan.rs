//! What is seen of an expression before it is parsed: how deep it could nest, and its top-level conditions.
//!
//! The parser and the evaluator recurse, so that depth is bounded before either begins. The scan is simpler than the
//! grammar, and to be sure that both see the same strings it takes less than the grammar: no backslash, no triple quotes,
//! no comments.

/// Most nested operators, selections and brackets on one path: a recursion of so many steps, of under 10 KiB each in an
/// unoptimised build, stays within the 2 MiB of a thread.
const DEPTH_MAX: usize = 32;

/// Looks at an expression: its top-level conditions, or what is wrong with it.
pub(super) fn scan(source: &str) -> Result<Vec<&str>, String> {
    let mut scan = Scan { bytes: source.as_bytes(), at: 0, levels: vec![Level::default()], cuts: Vec::new() };
    scan.run()?;
    if !scan.splits() {
        return Ok(vec![source.trim()]);
    }
    let mut clauses = Vec::with_capacity(scan.cuts.len() + 1);
    let mut from = 0;
    // A cut is at an ASCII character outside strings, so that slicing there is on a boundary.
    for cut in scan.cuts {
        clauses.push(source[from..cut].trim());
        from = cut + 2;
    }
    clauses.push(source[from..].trim());
    Ok(clauses)
}

#[derive(Default)]
struct Level {
    base: usize,
    depth: usize,
    has_other: bool,
}

struct Scan<'s> {
    bytes: &'s [u8],
    at: usize,
    levels: Vec<Level>,
    cuts: Vec<usize>,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            let next = self.bytes.get(self.at + 1).copied();
            match byte {
                b'\\' | b'`' => {
                    return Err(format!("has `{}`, which expressions here do without", char::from(byte)));
                }
                b'/' if next == Some(b'/') => {
                    return Err("has a comment: put it into the rule's text".to_owned());
                }
                b'\'' | b'"' => self.string(byte)?,
                b'(' | b'[' | b'{' => {
                    self.deeper()?;
                    let base = self.level().depth;
                    self.levels.push(Level { base, depth: base, has_other: false });
                }
                b')' | b']' | b'}' => {
                    if self.levels.len() == 1 {
                        return Err("closes a bracket that was not opened".to_owned());
                    }
                    self.levels.pop();
                }
                b'&' | b'|' if next == Some(byte) => {
                    if byte == b'&' && self.levels.len() == 1 {
                        self.cuts.push(self.at);
                    }
                    let level = self.level();
                    level.depth = level.base;
                    level.has_other |= byte == b'|';
                    self.at += 1;
                }
                b',' => {
                    let level = self.level();
                    level.depth = level.base;
                }
                b'+' | b'-' | b'*' | b'/' | b'%' | b'!' | b'<' | b'>' | b'=' | b'.' | b':' => {
                    self.deeper()?;
                }
                b'?' => {
                    self.deeper()?;
                    // `.?` and `[?` are selections of what may be missing; any other `?` is a choice.
                    if self.at == 0 || !matches!(self.bytes[self.at - 1], b'.' | b'[') {
                        self.level().has_other = true;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        if self.levels.len() == 1 { Ok(()) } else { Err("opens a bracket that is not closed".to_owned()) }
    }

    /// To the closing quote.
    fn string(&mut self, quote: u8) -> Result<(), String> {
        let rest = &self.bytes[self.at + 1..];
        let length = rest.iter().position(|byte| *byte == quote);
        let length = length.ok_or_else(|| "has a string that is not closed".to_owned())?;
        if rest[..length].iter().any(|byte| matches!(byte, b'\n' | b'\r' | b'\\')) {
            return Err("has a string with a line break or a backslash".to_owned());
        }
        self.at += length + 1;
        if self.bytes.get(self.at + 1) == Some(&quote) {
            return Err("has two quotes in a row".to_owned());
        }
        Ok(())
    }

    fn level(&mut self) -> &mut Level {
        // The first level is never popped.
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    fn deeper(&mut self) -> Result<(), String> {
        let level = self.level();
        level.depth += 1;
        if level.depth > DEPTH_MAX {
            return Err(format!("nests deeper than {DEPTH_MAX} operators: compute a part of it in `let`"));
        }
        Ok(())
    }

    /// Is the whole a conjunction, which is the same as its conditions one by one?
    fn splits(&self) -> bool {
        !self.cuts.is_empty() && self.levels.first().is_some_and(|level| !level.has_other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conjunction_is_cut_into_its_conditions() {
        for (source, clauses) in [
            ("a", vec!["a"]),
            ("a && b == 'x && y' && (c || d)", vec!["a", "b == 'x && y'", "(c || d)"]),
            ("a && b || c", vec!["a && b || c"]),
            ("a ? b && c : d", vec!["a ? b && c : d"]),
            ("a.?b.orValue(1) == 1 && c", vec!["a.?b.orValue(1) == 1", "c"]),
        ] {
            assert_eq!(scan(source), Ok(clauses), "{source}");
        }
    }

    #[test]
    fn what_could_hide_or_nest_is_refused() {
        let deep = format!("{}a{}", "(".repeat(40), ")".repeat(40));
        let long = "a+".repeat(40) + "a";
        let spread = "a+".repeat(20) + "(" + &"a+".repeat(20) + "a)";
        for bad in
            [deep.as_str(), &long, &spread, "a // b", r"'\''", "'a", "(a", "a)", "''''''", "'a\nb'", "a.`b`"]
        {
            assert!(scan(bad).is_err(), "{bad}");
        }
    }
}
