//! Remembered resolutions, by `git rerere` itself, in a git folder of Skep's own: the user's
//! repository gets neither an `rr-cache` nor a setting.

use super::{
    error::GitError,
    exec::{Git, path, records},
    lock::lock_file,
    merge::{ConflictKind, Merged, Side},
    place::remove_all,
    repo::{ObjectFormat, Repo},
};
use skep_core::id::Oid;
use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

/// The memory while one process uses it.
struct Memory<'a> {
    repo: &'a Repo,
    git_dir: PathBuf,
    files: PathBuf,
    _lock: fs::File,
}

impl Repo {
    /// Remembers how the conflict between `ours` and `theirs` was settled in the commit `resolved`, and says
    /// for which files. Learning again, or something else, replaces what was known.
    ///
    /// # Errors
    /// When git fails.
    pub fn learn(&self, ours: &Oid, theirs: &Oid, resolved: &Oid) -> Result<Vec<String>, GitError> {
        let merged = self.merge_tree(ours, theirs)?;
        let mut stages = fit(&merged);
        let mut settled = BTreeMap::new();
        for name in stages.keys() {
            if let Some(content) = self.file(resolved, name)?.filter(|c| !has_markers(c)) {
                settled.insert(*name, content);
            }
        }
        stages.retain(|name, _| settled.contains_key(name));
        if stages.is_empty() {
            return Ok(Vec::new());
        }
        let memory = Memory::open(self)?;
        memory.stage(&merged, &stages)?;
        memory.git().args(["rerere"]).run()?;
        for (name, content) in &settled {
            let file = memory.files.join(path(name));
            let now = fs::read(&file).map_err(GitError::io("read", &file))?;
            if !has_markers(&now) && now != *content {
                // Settled otherwise before: the newer decision counts.
                memory
                    .git()
                    .args(["rerere", "forget"])
                    .arg(path(name))
                    .run()?;
            }
            fs::write(&file, content).map_err(GitError::io("write", &file))?;
        }
        memory.git().args(["rerere"]).run()?;
        // Unused entries go after 15 and 60 days, git's own limits: the memory stays bounded.
        memory.git().args(["rerere", "gc"]).run()?;
        Ok(settled.keys().map(|n| super::error::shown(n)).collect())
    }

    /// Settles all conflicts of a merge from memory. `None` unless every one of them could be.
    pub(super) fn recall(&self, merged: &Merged) -> Result<Option<(Oid, Vec<String>)>, GitError> {
        let stages = fit(merged);
        let known = self.state_dir().join("rerere/rr-cache");
        // Most conflicts are new and most memories empty: then there is nothing to ask.
        let empty = fs::read_dir(known).map_or(true, |mut all| all.next().is_none());
        if stages.is_empty() || stages.len() < merged.stages.len() || empty {
            return Ok(None);
        }
        let memory = Memory::open(self)?;
        memory.stage(merged, &stages)?;
        let git = memory.git().option("rerere.autoUpdate=true");
        git.args(["rerere"]).run()?;
        if !memory
            .git()
            .args(["ls-files", "-u", "-z"])
            .run()?
            .is_empty()
        {
            return Ok(None);
        }
        for name in stages.keys() {
            let file = memory.files.join(path(name));
            if has_markers(&fs::read(&file).map_err(GitError::io("read", &file))?) {
                return Ok(None);
            }
        }
        // `<mode> <id> 0\t<path>` for each: what `update-index --index-info` reads.
        let settled = memory.git().args(["ls-files", "-s", "-z"]).run()?;
        memory.reset()?;
        let read = memory.git().args(["read-tree", merged.tree.as_str()]);
        read.run()?;
        let git = memory.git().args(["update-index", "-z", "--index-info"]);
        git.input(settled).run()?;
        let tree = memory.git().arg("write-tree").oid()?;
        let files = stages.keys().map(|n| super::error::shown(n)).collect();
        Ok(Some((tree, files)))
    }

    /// A regular file's content in a commit or tree.
    fn file(&self, tree: &Oid, name: &[u8]) -> Result<Option<Vec<u8>>, GitError> {
        let git = self.git().args(["ls-tree", "-z", tree.as_str(), "--"]);
        let listed = git.arg(path(name)).run()?;
        let line = records(&listed).next().unwrap_or_default();
        let mut facts = line.split(|b| matches!(b, b' ' | b'\t'));
        if !facts.next().is_some_and(|mode| mode.starts_with(b"100")) {
            return Ok(None);
        }
        let id = String::from_utf8_lossy(facts.nth(1).unwrap_or_default()).into_owned();
        self.git().args(["cat-file", "blob", &id]).run().map(Some)
    }
}

/// The conflicts that can be remembered: text on both sides.
fn fit(merged: &Merged) -> BTreeMap<&[u8], &[Side; 3]> {
    let text = |kind| matches!(kind, ConflictKind::Content | ConflictKind::AddAdd);
    if !merged.conflicts.iter().all(|c| text(c.kind)) {
        return BTreeMap::new();
    }
    let regular = |side: &Side| {
        side.as_ref()
            .is_some_and(|(mode, _)| mode.starts_with("100"))
    };
    let plain = |name: &[u8]| {
        let mut parts = path(name).components();
        parts.all(|part| matches!(part, Component::Normal(_)))
    };
    let all = merged.stages.iter();
    all.filter(|(name, sides)| regular(&sides[1]) && regular(&sides[2]) && plain(name))
        .map(|(name, sides)| (name.as_slice(), sides))
        .collect()
}

/// Whether text still has a conflict in it.
pub(super) fn has_markers(content: &[u8]) -> bool {
    let starts = |mark: &[u8]| {
        let mut lines = content.split(|b| *b == b'\n');
        lines.any(|l| {
            l.strip_prefix(mark)
                .is_some_and(|r| matches!(r.first(), Some(b' ') | None))
        })
    };
    starts(b"<<<<<<<") || starts(b">>>>>>>")
}

impl<'a> Memory<'a> {
    fn open(repo: &'a Repo) -> Result<Self, GitError> {
        let state = repo.ensure_state_dir()?;
        let lock = lock_file(&state.join("rerere.lock"), repo.long())?;
        let memory = Self {
            repo,
            git_dir: state.join("rerere"),
            files: state.join("rerere-files"),
            _lock: lock,
        };
        if !memory.git_dir.join("rr-cache").exists() {
            let format = match repo.object_format() {
                ObjectFormat::Sha1 => "--object-format=sha1",
                ObjectFormat::Sha256 => "--object-format=sha256",
            };
            let git = Git::new(&state).args(["init", "--quiet", "--bare", "--template="]);
            git.arg(format).arg("--").arg(&memory.git_dir).run()?;
            let cache = memory.git_dir.join("rr-cache");
            fs::create_dir_all(&cache).map_err(GitError::io("create", &cache))?;
        }
        Ok(memory)
    }

    fn git(&self) -> Git {
        Git::new(&self.files)
            .limit(self.repo.long())
            .env("GIT_DIR", &self.git_dir)
            .env("GIT_WORK_TREE", &self.files)
            .env(
                "GIT_OBJECT_DIRECTORY",
                self.repo.common_dir().join("objects"),
            )
            .option("core.bare=false")
            .option("rerere.enabled=true")
    }

    /// Forgets the conflict that was looked at last.
    fn reset(&self) -> Result<(), GitError> {
        for name in ["index", "index.lock", "MERGE_RR", "MERGE_RR.lock"] {
            remove_all(&self.git_dir.join(name))?;
        }
        remove_all(&self.files)?;
        fs::create_dir_all(&self.files).map_err(GitError::io("create", &self.files))
    }

    /// Lays out a conflict as a merge in a checkout would: stages in the index, markers in the files.
    fn stage(&self, merged: &Merged, stages: &BTreeMap<&[u8], &[Side; 3]>) -> Result<(), GitError> {
        self.reset()?;
        let mut input = Vec::new();
        for (name, sides) in stages {
            for (n, side) in sides.iter().enumerate() {
                if let Some((mode, id)) = side {
                    input.extend_from_slice(format!("{mode} {id} {}\t", n + 1).as_bytes());
                    input.extend_from_slice(name);
                    input.push(0);
                }
            }
            let content = self.repo.file(&merged.tree, name)?.unwrap_or_default();
            let file = self.files.join(path(name));
            let folder = file.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(folder).map_err(GitError::io("create", folder))?;
            fs::write(&file, content).map_err(GitError::io("write", &file))?;
        }
        let git = self.git().args(["update-index", "-z", "--index-info"]);
        git.input(input).run().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::has_markers;

    #[test]
    fn markers_are_told_from_text_about_them() {
        assert!(has_markers(b"a\n<<<<<<< x\nb"));
        assert!(has_markers(b">>>>>>>"));
        assert!(!has_markers(b"======="));
        assert!(!has_markers(b"<<<<<<<<<< a banner\n x <<<<<<< y"));
    }
}
