//! Patterns of whole lines, with holes: `Tokens: {input} sent, {output} received.{}`.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use serde::Deserialize;

/// A pattern. A hole takes as little as it can; `{}` is a hole without a name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    first: String,
    /// Each hole, and the text after it.
    rest: Vec<(String, String)>,
}

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPattern {
    /// A hole does not end.
    #[error("the hole {{{0} has no end; write {{{0}}}")]
    NoEnd(String),
    /// It would match every line.
    #[error("a pattern needs some text besides its holes")]
    Everything,
    /// Nothing says where one ends and the next begins.
    #[error("there must be some text between {{{0}}} and the hole after it")]
    Adjacent(String),
}

impl TryFrom<String> for Pattern {
    type Error = NotAPattern;
    fn try_from(text: String) -> Result<Pattern, NotAPattern> {
        let (first, mut left) = text
            .split_once('{')
            .map_or((&*text, None), |(a, b)| (a, Some(b)));
        let mut rest: Vec<(String, String)> = Vec::new();
        while let Some(open) = left {
            let (hole, after) = open
                .split_once('}')
                .ok_or_else(|| NotAPattern::NoEnd(open.to_string()))?;
            let (literal, next) = after
                .split_once('{')
                .map_or((after, None), |(a, b)| (a, Some(b)));
            if literal.is_empty() && next.is_some() {
                return Err(NotAPattern::Adjacent(hole.to_string()));
            }
            rest.push((hole.to_string(), literal.to_string()));
            left = next;
        }
        if first.is_empty() && rest.iter().all(|(_, literal)| literal.is_empty()) {
            return Err(NotAPattern::Everything);
        }
        Ok(Pattern {
            first: first.to_string(),
            rest,
        })
    }
}

impl Pattern {
    /// The names of the holes.
    pub fn holes(&self) -> impl Iterator<Item = &str> {
        self.rest
            .iter()
            .map(|(hole, _)| hole.as_str())
            .filter(|hole| !hole.is_empty())
    }

    /// What is in the holes, if the line looks like this.
    pub(crate) fn read<'l>(&self, line: &'l str) -> Option<Vec<(&str, &'l str)>> {
        let mut left = line.strip_prefix(self.first.as_str())?;
        let mut found = Vec::new();
        let last = self.rest.len().checked_sub(1);
        for (at, (hole, literal)) in self.rest.iter().enumerate() {
            let (inside, after) = if Some(at) == last {
                // The last literal is the end of the line.
                (left.strip_suffix(literal.as_str())?, "")
            } else {
                left.split_once(literal.as_str())?
            };
            found.push((hole.as_str(), inside));
            left = after;
        }
        left.is_empty().then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Result<Pattern, NotAPattern> {
        Pattern::try_from(text.to_string())
    }

    // proves: X-1
    #[test]
    fn a_pattern_is_about_the_whole_line() {
        let tokens = pattern("Tokens: {input} sent, {output} received.{}").unwrap();
        assert_eq!(
            tokens
                .read("Tokens: 1.2k sent, 17 received. Cost: $1")
                .unwrap()[..2],
            [("input", "1.2k"), ("output", "17")]
        );
        for other in [
            "He said: Tokens: 1 sent, 2 received.",
            "Tokens: 1 sent",
            "tokens: 1 sent, 2 received.",
        ] {
            assert_eq!(tokens.read(other), None, "{other}");
        }
        let exact = pattern("Done.").unwrap();
        assert_eq!(exact.read("Done."), Some([].into()));
        assert_eq!(exact.read("Done. Not."), None);
        assert_eq!(pattern("a{x}a").unwrap().read("a"), None);
        assert_eq!(
            pattern("a{x}a").unwrap().read("aa"),
            Some([("x", "")].into())
        );
    }

    #[test]
    fn what_cannot_be_matched_clearly_is_refused() {
        assert_eq!(pattern("{a}{b}"), Err(NotAPattern::Adjacent("a".into())));
        assert_eq!(pattern("{a}"), Err(NotAPattern::Everything));
        assert_eq!(pattern(""), Err(NotAPattern::Everything));
        assert_eq!(pattern("x{a"), Err(NotAPattern::NoEnd("a".into())));
    }
}
