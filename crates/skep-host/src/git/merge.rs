//! Merging two commits without a checkout, and what stands in the way in plain words.
//!
//! The same two commits, message and date always give the same merge commit, so a merge repeated
//! after a crash finds itself done.

use super::{
    error::{GitError, oid, shown},
    repo::Repo,
};
use skep_core::id::Oid;
use std::collections::BTreeMap;

/// What merging gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// A merge commit; nothing points to it yet (see [`Repo::land`]).
    Clean {
        /// The commit: first parent ours, second theirs.
        commit: Oid,
        /// Files whose conflicts were settled as they had been settled before.
        remembered: Vec<String>,
    },
    /// Everything of theirs is in ours already.
    AlreadyIn,
    /// A person or a fix task has to decide.
    Conflict {
        /// Each file once, in order.
        conflicts: Vec<Conflict>,
        /// The merged tree with conflict markers, for showing; never committed.
        tree: Oid,
    },
}

/// One file on which two sides disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The file, escaped where it is not plain text.
    pub path: String,
    /// In what way.
    pub kind: ConflictKind,
    /// One plain line about it.
    pub description: String,
    /// The file's content before both sides.
    pub base: Option<Oid>,
    /// Its content on our side.
    pub ours: Option<Oid>,
    /// Its content on their side.
    pub theirs: Option<Oid>,
}

/// The ways in which two sides can disagree on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConflictKind {
    /// Something that this version of Skep has no word for.
    Other,
    /// The same lines were changed.
    Content,
    /// Both sides added it, differently.
    AddAdd,
    /// One side changed it, the other deleted it.
    ModifyDelete,
    /// One side renamed it, the other deleted it.
    RenameDelete,
    /// Both sides renamed it, or renamed to it.
    RenameRename,
    /// One side added it to a folder that the other renamed.
    FolderRename,
    /// A file on one side, a folder on the other.
    DirectoryFile,
    /// File, link or submodule: the sides do not agree which.
    Mode,
    /// Both sides changed it, and it is not text.
    Binary,
    /// Both sides moved a submodule.
    Submodule,
}

impl ConflictKind {
    /// The kind that git names so in its machine-readable messages.
    fn of(name: &str, text: &str) -> Self {
        match name {
            "CONFLICT (contents)" if text.contains("(add/add)") => Self::AddAdd,
            "CONFLICT (contents)" => Self::Content,
            "CONFLICT (binary)" => Self::Binary,
            "CONFLICT (modify/delete)" => Self::ModifyDelete,
            "CONFLICT (rename/delete)" => Self::RenameDelete,
            "CONFLICT (rename/rename)"
            | "CONFLICT (rename involved in collision)"
            | "CONFLICT (rename/add)" => Self::RenameRename,
            "CONFLICT (file/directory)" => Self::DirectoryFile,
            "CONFLICT (distinct modes)" => Self::Mode,
            _ if name.contains("submodule") => Self::Submodule,
            _ if name.contains("directory rename") => Self::FolderRename,
            _ => Self::Other,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Other => "both sides changed it in ways that git cannot join",
            Self::Content => "both sides changed the same lines",
            Self::AddAdd => "both sides added it, with different content",
            Self::ModifyDelete => "one side changed it, the other deleted it",
            Self::RenameDelete => "one side renamed it, the other deleted it",
            Self::RenameRename => "the sides renamed files so that their names collide or differ",
            Self::FolderRename => "one side added it to a folder that the other renamed",
            Self::DirectoryFile => "it is a file on one side and a folder on the other",
            Self::Mode => "the sides disagree whether it is a file, a link or a submodule",
            Self::Binary => "both sides changed it, and it is not text",
            Self::Submodule => "both sides moved this submodule to different commits",
        }
    }
}

/// A file's mode and content at one of the three stages of a merge.
pub(super) type Side = Option<(String, Oid)>;

/// What `git merge-tree` found.
pub(super) struct Merged {
    pub(super) tree: Oid,
    /// Each path in conflict with its base, our and their side.
    pub(super) stages: BTreeMap<Vec<u8>, [Side; 3]>,
    pub(super) conflicts: Vec<Conflict>,
}

impl Repo {
    /// Merges `theirs` into `ours`. A conflict that was settled before is settled the same way.
    ///
    /// # Errors
    /// When git fails; a conflict is not an error.
    pub fn merge(
        &self,
        ours: &Oid,
        theirs: &Oid,
        message: &str,
        date: u64,
    ) -> Result<Merge, GitError> {
        if self.is_ancestor(theirs, ours)? {
            return Ok(Merge::AlreadyIn);
        }
        let merged = self.merge_tree(ours, theirs)?;
        let clean = |tree: &Oid, remembered| {
            let git = self.git().signed(true, date);
            let git = git.args(["commit-tree", tree.as_str(), "-F", "-"]);
            let git = git.args(["-p", ours.as_str(), "-p", theirs.as_str()]);
            let commit = git.input(format!("{}\n", message.trim_end())).oid()?;
            Ok(Merge::Clean { commit, remembered })
        };
        if merged.conflicts.is_empty() {
            return clean(&merged.tree, Vec::new());
        }
        match self.recall(&merged)? {
            Some((tree, files)) => clean(&tree, files),
            None => Ok(Merge::Conflict {
                conflicts: merged.conflicts,
                tree: merged.tree,
            }),
        }
    }

    pub(super) fn merge_tree(&self, ours: &Oid, theirs: &Oid) -> Result<Merged, GitError> {
        let git = self.git().limit(self.long());
        // Attributes (`merge=union`) come from our side, never from the user's half-edited checkout.
        let git = git.env("GIT_ATTR_SOURCE", ours.as_str());
        let git = git.args(["merge-tree", "--write-tree", "-z", "--messages"]);
        let git = git.args([ours.as_str(), theirs.as_str()]);
        let text = git.text();
        let output = git.output()?;
        match output.code() {
            Some(0 | 1) => {}
            _ => return Err(output.failure(text, self.common_dir().into())),
        }
        let clean = output.code() == Some(0);
        let strange = |detail: &str| GitError::Unexpected {
            command: text.clone(),
            detail: detail.into(),
        };
        let mut fields = output.stdout.split(|b| *b == 0);
        let tree = oid(&text, fields.next().unwrap_or_default())?;
        let mut merged = Merged {
            tree,
            stages: BTreeMap::new(),
            conflicts: Vec::new(),
        };
        if clean {
            return Ok(merged);
        }
        for line in fields.by_ref().take_while(|f| !f.is_empty()) {
            // `<mode> <id> <stage>\t<path>`
            let tab = line.iter().position(|b| *b == b'\t');
            let (facts, path) = line.split_at(tab.ok_or_else(|| strange("a line without a tab"))?);
            let facts = String::from_utf8_lossy(facts).into_owned();
            let facts: Vec<_> = facts.split(' ').collect();
            let [mode, id, stage @ ("1" | "2" | "3")] = facts.as_slice() else {
                return Err(strange("a conflict line that is not `mode id stage`"));
            };
            let stage = usize::from(stage.as_bytes()[0] - b'1');
            let sides = merged.stages.entry(path[1..].to_vec()).or_default();
            sides[stage] = Some(((*mode).into(), oid(&text, id.as_bytes())?));
        }
        let mut found = BTreeMap::new();
        let mut named = Vec::new();
        while let Some(count) = fields.next().filter(|c| !c.is_empty()) {
            let count = String::from_utf8_lossy(count).parse::<usize>();
            let count = count.map_err(|_| strange("a message without a number of paths"))?;
            let paths: Vec<_> = fields.by_ref().take(count).collect();
            let kind = String::from_utf8_lossy(fields.next().unwrap_or_default()).into_owned();
            let words = String::from_utf8_lossy(fields.next().unwrap_or_default()).into_owned();
            if kind.starts_with("CONFLICT") {
                named.extend(paths.iter().copied());
                let conflict = conflict(&paths, ConflictKind::of(&kind, &words), &merged.stages);
                keep_worst(&mut found, conflict);
            }
        }
        for path in merged.stages.keys() {
            if !named.contains(&path.as_slice()) {
                let conflict = conflict(&[path], ConflictKind::Other, &merged.stages);
                keep_worst(&mut found, conflict);
            }
        }
        merged.conflicts = found.into_values().collect();
        if merged.conflicts.is_empty() {
            return Err(strange("a conflict without any file"));
        }
        Ok(merged)
    }
}

/// The most telling of several messages about one file: a binary file is also a `contents` conflict.
fn keep_worst(found: &mut BTreeMap<String, Conflict>, conflict: Conflict) {
    let known = found.get(&conflict.path).map(|c| c.kind);
    if known.is_none_or(|known| known < conflict.kind) {
        found.insert(conflict.path.clone(), conflict);
    }
}

fn conflict(
    paths: &[&[u8]],
    kind: ConflictKind,
    stages: &BTreeMap<Vec<u8>, [Side; 3]>,
) -> Conflict {
    // git puts a file that had to make room first, under a made-up name, and its real name last.
    let path = match kind {
        ConflictKind::DirectoryFile => paths.last(),
        _ => paths.first(),
    };
    let side = |stage: usize| {
        let mut all = paths.iter().filter_map(|p| stages.get(*p));
        all.find_map(|sides| sides[stage].as_ref().map(|(_, id)| id.clone()))
    };
    Conflict {
        path: path.map(|p| shown(p)).unwrap_or_default(),
        kind,
        description: kind.words().into(),
        base: side(0),
        ours: side(1),
        theirs: side(2),
    }
}
