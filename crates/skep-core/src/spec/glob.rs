//! Path patterns: which files a task may touch, and whether two tasks might touch the same ones.
//!
//! `*` matches within one path component, `**` any number of components, `?` one character. Kept here
//! rather than in a library because the scheduler must ask whether two patterns *can* overlap.

use alloc::{string::String, vec::Vec};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A checked pattern, relative to the repository's root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob(String);

/// Why a text is not a usable pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGlob {
    /// Nothing was given.
    #[error("is empty")]
    Empty,
    /// Patterns are relative to the repository.
    #[error("starts with '/'; patterns are relative to the repository's root")]
    Absolute,
    /// A component climbs out.
    #[error("contains \"..\"; patterns cannot leave the repository")]
    Climbs,
    /// Not supported, so refused rather than misread.
    #[error("contains {0:?}; only '*', '**' and '?' are special")]
    Unsupported(char),
    /// `a**` is neither `*` nor `**`.
    #[error("has '**' beside other characters; write it as a whole component, as in src/**")]
    StarStar,
    /// A control character.
    #[error("contains the control character {0:?}")]
    Control(char),
}

impl Glob {
    /// Checks a pattern.
    ///
    /// # Errors
    /// The first [`BadGlob`] found.
    pub fn new(text: &str) -> Result<Glob, BadGlob> {
        let text = text.strip_prefix("./").unwrap_or(text);
        if text.is_empty() {
            return Err(BadGlob::Empty);
        }
        if text.starts_with('/') {
            return Err(BadGlob::Absolute);
        }
        if let Some(c) = text.chars().find(|c| "[]{}\\!".contains(*c)) {
            return Err(BadGlob::Unsupported(c));
        }
        if let Some(c) = text.chars().find(|c| c.is_control()) {
            return Err(BadGlob::Control(c));
        }
        for part in text.split('/') {
            if part == ".." {
                return Err(BadGlob::Climbs);
            }
            if part.contains("**") && part != "**" {
                return Err(BadGlob::StarStar);
            }
        }
        // `src/` means everything below it, as in .gitignore.
        let text = text
            .strip_suffix('/')
            .map_or_else(|| text.into(), |dir| alloc::format!("{dir}/**"));
        Ok(Glob(text))
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `path` (relative, `/`-separated) matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let pattern: Vec<&str> = self.0.split('/').collect();
        let path: Vec<&str> = path.split('/').collect();
        components_match(&pattern, &path)
    }

    /// Whether some path might match both. Errs on the side of "yes".
    #[must_use]
    pub fn may_overlap(&self, other: &Glob) -> bool {
        let a: Vec<&str> = self.0.split('/').collect();
        let b: Vec<&str> = other.0.split('/').collect();
        components_overlap(&a, &b)
    }
}

fn components_match(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        // `src/**` is everything below src, not src itself.
        (["**"], rest) => !rest.is_empty(),
        (["**", tail @ ..], path) => {
            (0..=path.len()).any(|skip| components_match(tail, &path[skip..]))
        }
        ([p, ptail @ ..], [c, ctail @ ..]) => {
            word_matches(p.as_bytes(), c.as_bytes()) && components_match(ptail, ctail)
        }
        _ => false,
    }
}

/// `*` and `?` within one component, without back-tracking blow-up: remembers only the last star.
fn word_matches(pattern: &[u8], word: &[u8]) -> bool {
    let (mut p, mut w, mut star) = (0, 0, None);
    while w < word.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, w));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == word[w]) {
            p += 1;
            w += 1;
        } else if let Some((star_p, star_w)) = star {
            star = Some((star_p, star_w + 1));
            p = star_p + 1;
            w = star_w + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

fn components_overlap(a: &[&str], b: &[&str]) -> bool {
    match (a, b) {
        ([], []) => true,
        (["**", ..], _) | (_, ["**", ..]) => true,
        ([x, atail @ ..], [y, btail @ ..]) => {
            words_overlap(x, y) && components_overlap(atail, btail)
        }
        _ => false,
    }
}

fn words_overlap(a: &str, b: &str) -> bool {
    let wild = |s: &str| s.contains(['*', '?']);
    match (wild(a), wild(b)) {
        (false, false) => a == b,
        (true, false) => word_matches(a.as_bytes(), b.as_bytes()),
        (false, true) => word_matches(b.as_bytes(), a.as_bytes()),
        (true, true) => {
            let head = |s: &str| s.find(['*', '?']).unwrap_or(s.len());
            let n = head(a).min(head(b));
            a.as_bytes()[..n] == b.as_bytes()[..n]
        }
    }
}

impl TryFrom<String> for Glob {
    type Error = BadGlob;
    fn try_from(text: String) -> Result<Self, BadGlob> {
        Glob::new(&text)
    }
}
impl From<Glob> for String {
    fn from(glob: Glob) -> String {
        glob.0
    }
}
impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    fn glob(text: &str) -> Glob {
        Glob::new(text).unwrap()
    }

    #[test]
    fn stars_stay_inside_a_component_and_double_stars_do_not() {
        for (pattern, path, expected) in [
            ("db/**", "db/a/b.sql", true),
            ("db/**", "db", false),
            ("db/", "db/x", true),
            ("**/*.rs", "a.rs", true),
            ("**/*.rs", "x/y/a.rs", true),
            ("src/*.rs", "src/x/a.rs", false),
            ("a?c", "abc", true),
            ("*a*b*", "xxaxxbxx", true),
            ("a/**/z", "a/z", true),
            ("a/**/z", "a/b/c/z", true),
        ] {
            assert_eq!(glob(pattern).matches(path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn unusable_patterns_are_refused() {
        for (bad, why) in [
            ("", BadGlob::Empty),
            ("/etc/passwd", BadGlob::Absolute),
            ("../x", BadGlob::Climbs),
            ("a/../../x", BadGlob::Climbs),
            ("a**", BadGlob::StarStar),
            ("{a,b}", BadGlob::Unsupported('{')),
            ("a\nb", BadGlob::Control('\n')),
        ] {
            assert_eq!(Glob::new(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn overlap_is_seen_where_it_can_be() {
        assert!(glob("src/**").may_overlap(&glob("src/auth/*.rs")));
        assert!(glob("*.rs").may_overlap(&glob("main.rs")));
        assert!(!glob("db/**").may_overlap(&glob("src/**")));
        assert!(!glob("a/*.rs").may_overlap(&glob("a/b/*.rs")));
    }

    proptest! {
        /// Overlap may be wrong only on the safe side: two patterns that match one path overlap.
        #[test]
        fn patterns_that_share_a_path_overlap(
            a in "([ab*?]{1,3}|\\*\\*)(/([ab*?]{1,2}|\\*\\*)){0,3}",
            b in "([ab*?]{1,3}|\\*\\*)(/([ab*?]{1,2}|\\*\\*)){0,3}",
            path in "[ab]{1,3}(/[ab]{1,2}){0,3}",
        ) {
            let (Ok(a), Ok(b)) = (Glob::new(&a), Glob::new(&b)) else { return Ok(()) };
            if a.matches(&path) && b.matches(&path) {
                prop_assert!(a.may_overlap(&b), "{}", format!("{a} {b} {path}"));
            }
        }
    }
}
