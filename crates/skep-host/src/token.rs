//! The token by which an attempt's agent speaks for its attempt, and for no other (U-8, T-2).
//!
//! The shim mints it, just before it starts the agent, and puts it into the agent's environment and nowhere else; the
//! attempt's folder keeps only its hash. It is the shim and not the keeper, because a shim starts its agent at most
//! once: so no token has to be kept for a second try, or handed from process to process (by way of a tmux server,
//! for one). Whether the attempt still holds its task is for the keeper's state to say.

use crate::site::Site;
use skep_core::id::Attempt;
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Where an agent finds its token.
pub const VARIABLE: &str = "SKEP_TOKEN";

/// In the run's folder: the token's hash, in hexadecimal digits.
const FILE: &str = "token.hash";
const PREFIX: &str = "skep-a";
const SECRET: usize = 32;
const DIGITS: usize = 2 * SECRET;

/// A token: which attempt it says it is of, and the secret that proves it.
#[derive(Clone)]
pub struct Token {
    attempt: Attempt,
    hash: blake3::Hash,
}

/// Nobody prints one by mistake.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, …)", self.attempt)
    }
}

impl Token {
    /// Reads what somebody presents as one; none if it cannot be.
    #[must_use]
    pub fn read(text: &str) -> Option<Token> {
        let (attempt, secret) = text.strip_prefix(PREFIX)?.split_once('-')?;
        let digit = |b: u8| b.is_ascii_digit();
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if !attempt.bytes().all(digit) || secret.len() != DIGITS || !secret.bytes().all(hex) {
            return None;
        }
        Some(Token {
            attempt: Attempt(attempt.parse().ok()?),
            hash: blake3::hash(text.as_bytes()),
        })
    }

    /// Which attempt it says it is of.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// Whether this is the hash that was kept. Takes the same time whatever the answer.
    #[must_use]
    pub fn is(&self, kept: &Kept) -> bool {
        self.hash == kept.0
    }
}

/// What is kept of a token.
#[derive(Clone, Debug)]
pub struct Kept(blake3::Hash);

impl Kept {
    /// What is kept of the token of an attempt; none if it has none.
    #[must_use]
    pub fn of(site: &Site, attempt: Attempt) -> Option<Kept> {
        let file = site.runs().join(format!("a{attempt}")).join(FILE);
        let mut text = String::new();
        let read = File::open(file).ok()?.take(DIGITS as u64 + 1);
        { read }.read_to_string(&mut text).ok()?;
        blake3::Hash::from_hex(text).ok().map(Kept)
    }
}

/// Mints the token of the run in `folder`, and keeps its hash there. None for a run that is no attempt.
///
/// # Errors
/// When the system has no randomness, or the folder takes no file.
pub(crate) fn mint(folder: &Path, run: &str) -> io::Result<Option<String>> {
    let number = run.strip_prefix('a').and_then(|n| n.parse::<u64>().ok());
    let Some(number) = number else {
        return Ok(None);
    };
    let mut secret = [0; SECRET];
    File::open("/dev/urandom")?.read_exact(&mut secret)?;
    let secret = blake3::Hash::from_bytes(secret).to_hex();
    let token = format!("{PREFIX}{number}-{secret}");
    let hash = blake3::hash(token.as_bytes()).to_hex();
    let place = folder.join(FILE);
    // A worktree's agent may have had a run before this one only in another folder: nothing is replaced here but
    // what a shim left that died on the way.
    let _ = fs::remove_file(&place);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(place)?;
    file.write_all(hash.as_bytes())?;
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: U-8, T-2
    #[test]
    fn a_token_proves_its_own_attempt_and_only_its_hash_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::new(dir.path());
        let folder = |n: u64| {
            let folder = site.runs().join(format!("a{n}"));
            fs::create_dir_all(&folder).unwrap();
            folder
        };
        let one = mint(&folder(1), "a1").unwrap().unwrap();
        let two = mint(&folder(2), "a2").unwrap().unwrap();
        let kept = |n| Kept::of(&site, Attempt(n)).unwrap();
        let read = |text: &str| Token::read(text).unwrap();
        assert_eq!(read(&one).attempt(), Attempt(1));
        assert!(read(&one).is(&kept(1)) && read(&two).is(&kept(2)));
        assert!(!read(&one).is(&kept(2)));
        // Another attempt's secret under one's own number is forged, too.
        let forged = two.replace("skep-a2-", "skep-a1-");
        assert!(!read(&forged).is(&kept(1)) && !read(&forged).is(&kept(2)));
        assert!(Kept::of(&site, Attempt(3)).is_none());
        let stored = fs::read_to_string(folder(1).join(FILE)).unwrap();
        assert!(!one.contains(&stored), "the hash is not the token");
        assert!(!format!("{:?}", read(&one)).contains(&one[10..]));
        assert!(mint(dir.path(), "check-2-1").unwrap().is_none());
    }

    // proves: T-3
    #[test]
    fn what_is_no_token_is_not_read_as_one() {
        let secret = "0".repeat(DIGITS);
        for text in [
            "",
            "skep-a",
            "skep-a1-",
            &format!("skep-a../1-{secret}"),
            &format!("skep-a1/../2-{secret}"),
            &format!("skep-a+1-{secret}"),
            &format!("skep-a99999999999999999999-{secret}"),
            &format!("skep-a1-{secret}0"),
            &format!("skep-a1-{}", "G".repeat(DIGITS)),
            &format!(" skep-a1-{secret}"),
        ] {
            assert!(Token::read(text).is_none(), "{text:?}");
        }
        assert!(Token::read(&format!("skep-a1-{secret}")).is_some());
    }
}
