//! Which of a repository's configuration files their user has read and trusts (U-11).
//!
//! Trust is in a file and its content: a line of its own for each, in the user's own folder, where no clone can put
//! one. A file that changes is not trusted any more, whoever changed it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The list of trusted files. The newest this many lines count: more than one person's repositories.
const LINES: usize = 10_000;

/// What a user trusts.
#[derive(Clone, Debug)]
pub struct Trust {
    list: PathBuf,
}

impl Trust {
    /// The list at `dir/trusted`.
    #[must_use]
    pub fn at(dir: &Path) -> Trust {
        Trust {
            list: dir.join("trusted"),
        }
    }

    /// Where the list is.
    #[must_use]
    pub fn list(&self) -> &Path {
        &self.list
    }

    /// Whether this file with this content is trusted. What cannot be read trusts nothing.
    #[must_use]
    pub fn holds(&self, file: &Path, content: &[u8]) -> bool {
        let mark = mark(file, content);
        let text = fs::read_to_string(&self.list).unwrap_or_default();
        let newest = text.lines().rev().take(LINES);
        newest
            .filter_map(|line| line.split(' ').next())
            .any(|m| m == mark)
    }

    /// Trusts this file with this content. Twice is as once.
    ///
    /// # Errors
    /// When the list cannot be written.
    pub fn grant(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        if self.holds(file, content) {
            return Ok(());
        }
        if let Some(dir) = self.list.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)?;
        }
        let mut list = OpenOptions::new();
        let mut list = list
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.list)?;
        // For people; only the mark counts. A line that a crash cut short is no mark, so each begins a new one.
        let shown = file.to_string_lossy().replace(char::is_control, "?");
        list.write_all(format!("\n{} {shown}\n", mark(file, content)).as_bytes())?;
        list.sync_data()
    }

    /// Trusts no content of this file any more. Says whether any was.
    ///
    /// # Errors
    /// When the list cannot be replaced.
    pub fn revoke(&self, file: &Path) -> io::Result<bool> {
        let text = match fs::read_to_string(&self.list) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let shown = file.to_string_lossy().replace(char::is_control, "?");
        let of_it = |line: &&str| line.split_once(' ').is_some_and(|(_, path)| path == shown);
        let kept: Vec<&str> = text
            .lines()
            .filter(|l| !l.is_empty() && !of_it(l))
            .collect();
        if !text.lines().any(|line| of_it(&line)) {
            return Ok(false);
        }
        let whole: String = kept.iter().map(|line| format!("{line}\n")).collect();
        let new = self.list.with_extension("new");
        let mut out = OpenOptions::new();
        let mut out = out
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        out.write_all(whole.as_bytes())?;
        out.sync_data()?;
        fs::rename(&new, &self.list)?;
        Ok(true)
    }
}

fn mark(file: &Path, content: &[u8]) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(file.as_os_str().as_encoded_bytes());
    // A path holds no zero, so no path and content are another path and content.
    hash.update(&[0]);
    hash.update(content);
    hash.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: U-11
    #[test]
    fn trust_is_in_a_path_and_its_content_and_can_be_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let trust = Trust::at(&dir.path().join("state/skep"));
        let (file, other) = (Path::new("/a/skep.toml"), Path::new("/b/skep.toml"));
        assert!(!trust.holds(file, b"x"));
        assert!(!trust.revoke(file).unwrap());
        trust.grant(file, b"x").unwrap();
        trust.grant(file, b"x").unwrap();
        trust.grant(other, b"x").unwrap();
        assert!(trust.holds(file, b"x") && trust.holds(other, b"x"));
        assert!(!trust.holds(file, b"y") && !trust.holds(Path::new("/c/skep.toml"), b"x"));
        // A writer that was killed half way spoils neither what was there nor what comes next.
        let mut list = OpenOptions::new().append(true).open(trust.list()).unwrap();
        list.write_all(b"0123abc").unwrap();
        trust.grant(file, b"z").unwrap();
        assert!(trust.holds(file, b"z") && trust.holds(other, b"x"));
        assert!(trust.revoke(file).unwrap());
        assert!(!trust.holds(file, b"x") && !trust.holds(file, b"z") && trust.holds(other, b"x"));
    }
}
