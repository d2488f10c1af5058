//! Reading a ref without starting git, where that is certain: an attempt looks at a dozen of them, and a process
//! costs a hundred times what the file does.

use skep_core::id::Oid;
use std::{fs, io::ErrorKind, path::Path};

/// What the ref `full` of the repository with the git folder `common` points to. The outer `None` says that git
/// must be asked: the refs are kept in some other way, or this one is symbolic or damaged.
pub(super) fn read(common: &Path, full: &str) -> Option<Option<Oid>> {
    let plain = full.split('/').all(|p| !matches!(p, "" | "." | ".."));
    // A repository with reftables has a file where the folder of branches would be.
    if !plain || !full.starts_with("refs/") || !common.join("refs/heads").is_dir() {
        return None;
    }
    match fs::read(common.join(full)) {
        Ok(text) => Some(Some(parse(&text)?)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            packed(common, full)
        }
        // A folder of that name says nothing of the packed refs.
        Err(e) if e.kind() == ErrorKind::IsADirectory => packed(common, full),
        Err(_) => None,
    }
}

/// Looked at only after the ref's own file: git packs a ref before it removes that.
fn packed(common: &Path, full: &str) -> Option<Option<Oid>> {
    let text = match fs::read(common.join("packed-refs")) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Some(None),
        text => text.ok()?,
    };
    let named = |line: &&[u8]| {
        line.strip_suffix(full.as_bytes())
            .is_some_and(|l| l.ends_with(b" "))
    };
    match text.split(|b| *b == b'\n').find(named) {
        Some(line) => Some(Some(parse(line.split(|b| *b == b' ').next()?)?)),
        None => Some(None),
    }
}

/// An id and nothing else.
fn parse(text: &[u8]) -> Option<Oid> {
    std::str::from_utf8(text.trim_ascii_end())
        .ok()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_certain_is_read_and_the_rest_left_to_git() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let read = |name: &str| read(dir.path(), name).map(|o| o.map(|o| o.to_string()));
        assert_eq!(read("refs/heads/a"), None, "no folder of branches");
        fs::create_dir_all(dir.path().join("refs/heads/b")).unwrap();
        fs::write(dir.path().join("refs/heads/a"), format!("{one}\n")).unwrap();
        fs::write(dir.path().join("refs/heads/link"), "ref: refs/heads/a\n").unwrap();
        assert_eq!(read("refs/heads/a"), Some(Some(one.clone())));
        assert_eq!(read("refs/heads/link"), None);
        assert_eq!(read("refs/heads/a/below"), Some(None));
        assert_eq!(read("refs/../HEAD"), None);
        let packed = format!(
            "# pack-refs with: peeled\n{one} refs/tags/v\n^{two}\n{two} refs/heads/b\n{two} refs/heads/a\n"
        );
        fs::write(dir.path().join("packed-refs"), packed).unwrap();
        assert_eq!(read("refs/heads/b"), Some(Some(two)));
        assert_eq!(read("refs/heads/a"), Some(Some(one)), "the file counts");
        assert_eq!(read("refs/heads/gone"), Some(None));
    }
}
