//! Names of things: tasks, workers, attempts, swarms.
//!
//! A name that reaches the core has been checked once, here, and is then safe as a path component,
//! as a git ref component and as a command argument.

use alloc::{format, string::String, sync::Arc};
use core::{borrow::Borrow, fmt, str::FromStr};
use serde::{Deserialize, Serialize};

/// The longest name of a task, role or swarm, in bytes. File systems stop at 255 per component;
/// 64 leaves room for the prefixes that refs and folders add.
pub const NAME_MAX: usize = 64;

/// Why a text cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Nothing was given.
    #[error("is empty")]
    Empty,
    /// More than [`NAME_MAX`] bytes.
    #[error("is {0} bytes long; {NAME_MAX} is the most")]
    TooLong(usize),
    /// The first character is not a letter or a digit: `-rf` would be read as an option, `.x` hides.
    #[error("starts with {0:?}; it must start with a letter or a digit")]
    BadStart(char),
    /// A character that a path, a ref or a shell would read as something else.
    #[error("contains {0:?}; only letters, digits, '.', '_' and '-' are allowed")]
    BadChar(char),
    /// `..` climbs directories and is not allowed in refs.
    #[error("contains \"..\", which climbs directories and is not allowed in branch names")]
    DotDot,
    /// git refuses refs that end so.
    #[error("ends with {0:?}, which git does not allow in branch names")]
    BadEnd(&'static str),
}

/// Checks that `text` can be a name.
///
/// # Errors
/// The first [`NameFault`] found.
pub fn check_name(text: &str) -> Result<(), NameFault> {
    let Some(first) = text.chars().next() else {
        return Err(NameFault::Empty);
    };
    if text.len() > NAME_MAX {
        return Err(NameFault::TooLong(text.len()));
    }
    if !first.is_ascii_alphanumeric() {
        return Err(NameFault::BadStart(first));
    }
    if let Some(bad) = text
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || "._-".contains(*c)))
    {
        return Err(NameFault::BadChar(bad));
    }
    if text.contains("..") {
        return Err(NameFault::DotDot);
    }
    for end in [".lock", "."] {
        if text.ends_with(end) {
            return Err(NameFault::BadEnd(end));
        }
    }
    Ok(())
}

/// The nearest safe name to `text`, for names that Skep derives (a swarm's from its folder).
/// `None` when nothing usable is left.
#[must_use]
pub fn nearest_name(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        };
        if !(c == '-' && (name.is_empty() || name.ends_with('-'))) {
            name.push(c);
        }
        if name.len() == NAME_MAX {
            break;
        }
    }
    let name = name.trim_end_matches('-');
    check_name(name).is_ok().then(|| name.into())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = NameFault;
            fn from_str(text: &str) -> Result<Self, NameFault> {
                check_name(text).map(|()| Self(text.into()))
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameFault;
            fn try_from(text: String) -> Result<Self, NameFault> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                (&*name.0).into()
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name_type! {
    /// A task's id: given in the plan, or derived for a fix task.
    TaskId
}
name_type! {
    /// A swarm's name; also the last part of its integration branch `skep/<swarm>`.
    SwarmName
}

/// A worker: a slot that runs attempts one at a time. Written `w1`, `w2`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkerId(pub u32);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("w{}", self.0))
    }
}
impl From<WorkerId> for String {
    fn from(id: WorkerId) -> String {
        format!("w{}", id.0)
    }
}
/// A text that is not a worker's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a worker; workers are written w1, w2, …")]
pub struct NotAWorker(pub String);

impl FromStr for WorkerId {
    type Err = NotAWorker;
    fn from_str(text: &str) -> Result<Self, NotAWorker> {
        let digits = text
            .strip_prefix('w')
            .filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        digits
            .and_then(|d| d.parse().ok())
            .map(WorkerId)
            .ok_or_else(|| NotAWorker(text.into()))
    }
}
impl TryFrom<String> for WorkerId {
    type Error = NotAWorker;
    fn try_from(text: String) -> Result<Self, NotAWorker> {
        text.parse()
    }
}

/// One run of one task by one worker, and at the same time its fencing token: the number grows with
/// every claim in the swarm, so of two attempts the one with the larger number is the newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attempt(pub u64);

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A git object id, as git prints it: 40 or 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Oid(Arc<str>);

/// A text that is not a git object id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a git object id")]
pub struct NotAnOid(pub String);

impl Oid {
    /// The id as git prints it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The first ten digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}
impl FromStr for Oid {
    type Err = NotAnOid;
    fn from_str(text: &str) -> Result<Self, NotAnOid> {
        let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex && (text.len() == 40 || text.len() == 64) {
            Ok(Self(text.into()))
        } else {
            Err(NotAnOid(text.into()))
        }
    }
}
impl TryFrom<String> for Oid {
    type Error = NotAnOid;
    fn try_from(text: String) -> Result<Self, NotAnOid> {
        text.parse()
    }
}
impl From<Oid> for String {
    fn from(oid: Oid) -> String {
        (&*oid.0).into()
    }
}
impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_paths_refs_and_arguments() {
        for good in ["a", "schema", "T12", "fix-login.2", "a_b"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", NameFault::Empty),
            ("../x", NameFault::BadStart('.')),
            ("-rf", NameFault::BadStart('-')),
            ("a b", NameFault::BadChar(' ')),
            ("a'b", NameFault::BadChar('\'')),
            ("a\nb", NameFault::BadChar('\n')),
            ("a/b", NameFault::BadChar('/')),
            ("ünï", NameFault::BadStart('ü')),
            ("naïve", NameFault::BadChar('ï')),
            ("a..b", NameFault::DotDot),
            ("a.lock", NameFault::BadEnd(".lock")),
            ("a.", NameFault::BadEnd(".")),
        ] {
            assert_eq!(check_name(bad), Err(why), "{bad}");
        }
        assert_eq!(check_name(&"x".repeat(300)), Err(NameFault::TooLong(300)));
    }

    #[test]
    fn derived_names_are_names() {
        assert_eq!(
            nearest_name("My Project (v2)").as_deref(),
            Some("my-project-v2")
        );
        assert_eq!(nearest_name("…"), None);
        assert_eq!(
            nearest_name(&"é x".repeat(100)).map(|n| check_name(&n)),
            Some(Ok(()))
        );
    }

    #[test]
    fn workers_are_written_w_and_a_number() {
        assert_eq!("w12".parse(), Ok(WorkerId(12)));
        for bad in ["w", "12", "w-1", "w+1", "x1", "w99999999999"] {
            assert!(bad.parse::<WorkerId>().is_err(), "{bad}");
        }
    }
}
