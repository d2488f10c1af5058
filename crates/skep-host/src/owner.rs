//! The owner's token: who presents it over the network may do what the owner of the socket may (T-2).
//!
//! It is made at the first start and survives restarts, in `.skep/token` (0600), so that a script or Prometheus can
//! be pointed at it. The file is the truth: it is looked at again whenever it was replaced or removed, so another
//! token holds at once, with no word to the keeper that a crash could lose.

use crate::site::Site;
use std::{
    fmt,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

const PREFIX: &str = "skep-o-";
const SECRET: usize = 32;
const LENGTH: usize = PREFIX.len() + 2 * SECRET;
/// Before the maker's number: a token on its way to its place.
pub(crate) const UNFINISHED: &str = "token.new";

/// Why there is no token to go by.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// The file cannot be made or read.
    #[error("cannot use {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// It holds something else.
    #[error("{} holds no token", .0.display())]
    NoToken(PathBuf),
    /// Others could have read it.
    #[error("{} can be read or written by others: its mode is {mode:o}, expected 600", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl OwnerError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            OwnerError::Io(..) => "make .skep writable for this user, or `--listen off`",
            OwnerError::NoToken(_) | OwnerError::Open { .. } => {
                "`skep dash --new-token` makes another"
            }
        }
    }
}

/// What a token is known by; the token itself is forgotten once it was read.
#[derive(Clone, Copy)]
struct Keys {
    hash: blake3::Hash,
    /// What sessions are signed with.
    signing: [u8; 32],
}

impl Keys {
    fn of(token: &str) -> Keys {
        Keys {
            hash: blake3::hash(token.as_bytes()),
            signing: blake3::derive_key(
                "skep 2026 sessions of the owner's token",
                token.as_bytes(),
            ),
        }
    }
}

/// The owner's token, as the file has it.
pub struct Owner {
    path: PathBuf,
    sign_in_page: PathBuf,
    seen: Mutex<Option<(Identity, Keys)>>,
}

/// Nobody prints it by mistake.
impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({})", self.path.display())
    }
}

/// Which file it was, and in which state.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity([i64; 5]);

impl Identity {
    fn of(meta: &Metadata) -> Identity {
        let ino = meta.ino().cast_signed();
        let mode = i64::from(meta.mode());
        Identity([
            ino,
            mode,
            meta.ctime(),
            meta.ctime_nsec(),
            meta.mtime_nsec(),
        ])
    }
}

impl Owner {
    /// The site's token; made if there is none.
    ///
    /// # Errors
    /// When it cannot be made, or what is there cannot be relied on.
    pub fn of(site: &Site) -> Result<Owner, OwnerError> {
        let path = site.token();
        if !path.exists() {
            make(&path, Make::IfNone).map_err(|e| OwnerError::Io(path.clone(), e))?;
        }
        let seen = Mutex::default();
        let sign_in_page = site.sign_in_page();
        let owner = Owner {
            path,
            sign_in_page,
            seen,
        };
        owner.keys()?;
        Ok(owner)
    }

    /// Puts another token in its place: sessions and whoever has the old one are shut out.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn renew(site: &Site) -> Result<(), OwnerError> {
        let path = site.token();
        make(&path, Make::Anew).map_err(|e| OwnerError::Io(path, e))
    }

    /// Removes the page that leads to the link of `code`, once that was used. Another link's stays: its browser may
    /// still have to read it.
    pub fn was_used(&self, code: &str) {
        let leads = fs::read_to_string(&self.sign_in_page).is_ok_and(|page| page.contains(code));
        if leads {
            let _ = fs::remove_file(&self.sign_in_page);
        }
    }

    /// Whether this is the token. Takes the same time whatever the answer.
    #[must_use]
    pub fn is(&self, presented: &str) -> bool {
        let keys = self.keys();
        // Equality of these hashes takes constant time.
        keys.is_ok_and(|keys| keys.hash == blake3::hash(presented.as_bytes()))
    }

    /// A signature under `text` that nobody can make without the token; none while there is no token.
    #[must_use]
    pub fn sign(&self, text: &str) -> Option<String> {
        let keys = self.keys().ok()?;
        let signature = blake3::keyed_hash(&keys.signing, text.as_bytes());
        Some(signature.to_hex().to_string())
    }

    /// Whether this is the signature under `text`. Takes the same time whatever the answer.
    #[must_use]
    pub fn has_signed(&self, text: &str, signature: &str) -> bool {
        let (Ok(keys), Ok(claimed)) = (self.keys(), blake3::Hash::from_hex(signature)) else {
            return false;
        };
        blake3::keyed_hash(&keys.signing, text.as_bytes()) == claimed
    }

    fn keys(&self) -> Result<Keys, OwnerError> {
        let io = |error| OwnerError::Io(self.path.clone(), error);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let there = Identity::of(&fs::metadata(&self.path).map_err(io)?);
        if let Some((identity, keys)) = *seen
            && identity == there
        {
            return Ok(keys);
        }
        *seen = None;
        let file = File::open(&self.path).map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        let mode = meta.mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = self.path.clone();
            return Err(OwnerError::Open { path, mode });
        }
        let mut text = String::new();
        let most = LENGTH as u64 + 2;
        file.take(most).read_to_string(&mut text).map_err(io)?;
        let token = text.trim_end_matches('\n');
        if !is_token(token) {
            return Err(OwnerError::NoToken(self.path.clone()));
        }
        let keys = Keys::of(token);
        *seen = Some((Identity::of(&meta), keys));
        Ok(keys)
    }
}

fn is_token(text: &str) -> bool {
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let secret = text.strip_prefix(PREFIX);
    secret.is_some_and(|s| s.len() == 2 * SECRET && s.bytes().all(hex))
}

/// 256 bits that nobody can guess, as hexadecimal digits.
///
/// # Errors
/// When the system has no randomness.
pub fn random() -> io::Result<String> {
    let mut secret = [0; SECRET];
    File::open("/dev/urandom")?.read_exact(&mut secret)?;
    Ok(blake3::Hash::from_bytes(secret).to_hex().to_string())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Make {
    IfNone,
    Anew,
}

/// Whole or not at all: written beside its place, then linked (which fails if one is there) or renamed.
fn make(path: &Path, how: Make) -> io::Result<()> {
    let fresh = path.with_file_name(format!("{UNFINISHED}{}", std::process::id()));
    let _ = fs::remove_file(&fresh);
    let made = write(&fresh, &format!("{PREFIX}{}\n", random()?)).and_then(|()| match how {
        Make::Anew => fs::rename(&fresh, path),
        Make::IfNone => match fs::hard_link(&fresh, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => fs::remove_file(&fresh),
        },
    });
    made.inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    })
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn site() -> (tempfile::TempDir, Site) {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::new(dir.path());
        site.create().unwrap();
        (dir, site)
    }

    fn token(site: &Site) -> String {
        fs::read_to_string(site.token()).unwrap().trim().to_string()
    }

    // proves: T-2
    #[test]
    fn it_is_made_once_for_this_user_alone_and_stays() {
        let (_dir, site) = site();
        let owner = Owner::of(&site).unwrap();
        let first = token(&site);
        let meta = fs::metadata(site.token()).unwrap();
        assert_eq!(meta.mode() & 0o777, 0o600);
        assert!(owner.is(&first) && !owner.is("") && !owner.is(&first[1..]));
        assert!(Owner::of(&site).unwrap().is(&first));
        // As if another process had been first.
        make(&site.token(), Make::IfNone).unwrap();
        assert_eq!(token(&site), first);
        let left = fs::read_dir(site.dir()).unwrap().flatten();
        let left = left.filter(|e| e.file_name().to_string_lossy().contains(UNFINISHED));
        assert_eq!(left.count(), 0);
        assert!(!format!("{owner:?}").contains(&first[PREFIX.len()..]));
    }

    // proves: T-2
    #[test]
    fn another_token_holds_at_once_and_ends_what_the_old_one_signed() {
        let (_dir, site) = site();
        let owner = Owner::of(&site).unwrap();
        let (old, signature) = (token(&site), owner.sign("text").unwrap());
        assert!(owner.has_signed("text", &signature) && !owner.has_signed("other", &signature));
        assert!(Owner::of(&site).unwrap().has_signed("text", &signature));
        Owner::renew(&site).unwrap();
        assert!(!owner.is(&old) && owner.is(&token(&site)));
        assert!(!owner.has_signed("text", &signature));
        fs::remove_file(site.token()).unwrap();
        assert!(!owner.is(&old) && owner.sign("text").is_none());
        assert!(!owner.has_signed("text", &signature));
    }

    // proves: T-2
    #[test]
    fn what_is_no_token_or_was_open_to_others_is_not_gone_by() {
        let (_dir, site) = site();
        for text in ["", "skep-o-", "secret\n"] {
            fs::write(site.token(), text).unwrap();
            fs::set_permissions(site.token(), fs::Permissions::from_mode(0o600)).unwrap();
            assert!(
                matches!(Owner::of(&site), Err(OwnerError::NoToken(_))),
                "{text:?}"
            );
        }
        Owner::renew(&site).unwrap();
        let owner = Owner::of(&site).unwrap();
        let text = token(&site);
        fs::set_permissions(site.token(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            Owner::of(&site),
            Err(OwnerError::Open { mode: 0o640, .. })
        ));
        assert!(!owner.is(&text), "nor by a keeper that runs");
    }
}
