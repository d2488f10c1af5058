//! A worktree that several attempts share: what one of them left is kept and taken away, while the others
//! work on beside it.

use super::{
    error::{GitError, shown},
    exec::path,
    lock, names,
    part::{self, Change, Part},
    place::{Place, remove_all, settle},
    repo::Repo,
    snapshot::{self, SnapshotSpec},
    tree,
};
use skep_core::{
    id::{Oid, SwarmName},
    spec::Glob,
};
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// How often files are taken away: an ignore file that goes uncovers what it hid.
const ROUNDS: usize = 8;
/// How long the index is waited for that an agent's git has locked.
const INDEX_WAIT: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(20);
/// The first time what is half merged is only forgotten.
const WRITES: usize = 2;

/// What a shared worktree should be like before an attempt begins in it.
#[derive(Clone, Copy, Debug)]
pub struct Tidy<'a> {
    /// The worktree.
    pub dir: &'a Path,
    /// The commit.
    pub base: &'a Oid,
    /// Whose: what its attempts saved need not be saved again.
    pub swarm: &'a SwarmName,
    /// Dates the commit that keeps what nobody saved.
    pub date: u64,
}

/// What was found when a part of a shared worktree was brought to its base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// The ref that keeps what nobody had saved, if there was any.
    pub kept: Option<String>,
    /// The paths elsewhere that are not as the base has them.
    pub outside: Vec<String>,
}

impl Repo {
    /// Brings the files that match `only` to the base, whatever is done to all others meanwhile.
    ///
    /// # Errors
    /// What git says; nothing that is not on a ref has been taken away then.
    pub fn tidy(&self, want: &Tidy<'_>, only: &[Glob]) -> Result<Tidied, GitError> {
        let dir = settle(want.dir)?;
        let mut place = self.place(&dir);
        place.hold()?;
        let part = Part(only);
        let mut done = Tidied::default();
        let mut nested = BTreeSet::new();
        let mut fault = None;
        for round in 0..=ROUNDS {
            let seen = tree::index(&place, want.base, Some(part))?;
            let now = seen.index.git(&place).arg("write-tree").oid()?;
            let mine = |change: &Change| part.has(&change.path);
            let changed = part::between(&place, want.base, &now)?;
            let (left, others): (Vec<_>, Vec<_>) = changed.into_iter().partition(mine);
            let mut outside = seen.outside;
            outside.extend(others.into_iter().map(|change| change.path));
            done.outside = outside.iter().map(|name| shown(name)).collect();
            nested.extend(seen.nested);
            if left.is_empty() {
                fault = None;
                break;
            }
            if let (ROUNDS, Some(fault)) = (round, fault.take()) {
                return Err(fault);
            }
            done.kept = keep(&place, want, want.base, &left)?.or(done.kept);
            let mut back = part::between(&place, &now, want.base)?;
            back.retain(mine);
            let to = part::with(&place, &now, &back)?;
            // From the tree that the index holds to the one wanted: where both say the same, which is all but
            // this part, git looks at no file.
            let call = || {
                let git = seen.index.git(&place).args(["read-tree", "-m", "-u"]);
                git.args([now.as_str(), to.as_str()])
            };
            if let Err(error) = place.forcing(call) {
                // Something ignored stands in the way, say. All of it is on a ref by now.
                for change in &left {
                    take_away(&place, &change.path)?;
                }
                fault = Some(error);
            }
        }
        if let Some(fault) = fault {
            return Err(fault);
        }
        for folder in nested {
            // Its files are gone, but git would not begin another repository there.
            let git = [&folder[..], b".git"].concat();
            if part.has(&git) {
                take_away(&place, &git)?;
                // Should there be something ignored in it, it stays.
                let _ = fs::remove_dir(place.files.join(path(&folder)));
            }
        }
        mend_index(&place, want.base, part)?;
        Ok(done)
    }

    /// Puts what the whole worktree holds, and neither the new base nor any attempt has saved, on a ref, which
    /// it names. Nobody may be at work in it.
    ///
    /// # Errors
    /// What git says.
    pub fn keep_left(&self, want: &Tidy<'_>) -> Result<Option<String>, GitError> {
        let dir = settle(want.dir)?;
        if !dir.exists() {
            return Ok(None);
        }
        let mut place = self.place(&dir);
        place.hold()?;
        let from = match snapshot::head(&place)? {
            // What the agents committed on top counts as changed since.
            Some(head) => self.merge_base(&head, want.base)?,
            None => None,
        };
        let from = from.unwrap_or_else(|| want.base.clone());
        let now = tree::write(&place, &from)?;
        let mut left = part::between(&place, &from, &now)?;
        if from != *want.base {
            let landed: BTreeSet<_> = part::between(&place, &from, want.base)?
                .into_iter()
                .collect();
            left.retain(|change| !landed.contains(change));
        }
        keep(&place, want, &from, &left)
    }
}

/// Keeps those of the changes that no attempt on the same base has saved.
fn keep(
    place: &Place,
    want: &Tidy<'_>,
    from: &Oid,
    left: &[Change],
) -> Result<Option<String>, GitError> {
    if left.is_empty() {
        return Ok(None);
    }
    let saved = saved_on(place, want.swarm, from)?;
    let unsaved: Vec<_> = left
        .iter()
        .filter(|c| !saved.contains(c))
        .cloned()
        .collect();
    if unsaved.is_empty() {
        return Ok(None);
    }
    let mut spec = SnapshotSpec {
        base: from.clone(),
        merges: None,
        only: None,
        reference: String::new(),
        message: "Found in the shared worktree before it was reset".into(),
        date: want.date,
    };
    let tree = part::with(place, from, &unsaved)?;
    let commit = snapshot::commit(place, &tree, [from].into_iter(), &spec.message, spec.date)?;
    // Named by what it is: a check that leaves a log each time must not use up the names there are.
    spec.reference = names::kept(&names::shared(want.swarm), &commit);
    snapshot::keep(place, &spec.reference, &commit).map(Some)
}

/// All changes against `base` that the swarm's salvage holds.
fn saved_on(place: &Place, swarm: &SwarmName, base: &Oid) -> Result<BTreeSet<Change>, GitError> {
    let git = place
        .objects()
        .args(["for-each-ref", "--format=%(objectname)"]);
    let git = git.arg(format!("--contains={base}"));
    let refs = git.arg(format!("{}{swarm}/", names::SALVAGE)).run()?;
    let refs = String::from_utf8_lossy(&refs);
    // With the base named as its only parent, each is compared with that.
    let pairs: String = refs.lines().map(|id| format!("{id} {base}\n")).collect();
    if pairs.is_empty() {
        return Ok(BTreeSet::new());
    }
    let git = place.objects().args(part::RAW);
    let git = git.args(["--no-commit-id", "--stdin"]);
    Ok(part::changes(&git.input(pairs).run()?).collect())
}

/// Removes a path of the worktree, but never through a link.
fn take_away(place: &Place, name: &[u8]) -> Result<(), GitError> {
    let name = path(name);
    let within = name.ancestors().skip(1).all(|folder| {
        let linked = fs::symlink_metadata(place.files.join(folder)).is_ok_and(|m| m.is_symlink());
        folder.as_os_str().is_empty() || !linked
    });
    if within {
        remove_all(&place.files.join(name))?;
    }
    Ok(())
}

/// Takes what agents staged in this part out of the worktree's own index. Others' agents may be using it.
fn mend_index(place: &Place, base: &Oid, part: Part<'_>) -> Result<(), GitError> {
    let Some(admin) = &place.admin else {
        return Ok(());
    };
    let lock = admin.join("index.lock");
    let began = Instant::now();
    let mut written = 0;
    loop {
        let git = place.git().args(["diff-index", "--cached", "-z", "--raw"]);
        let git = git.args(["-R", "--no-renames", base.as_str()]);
        let mut back: Vec<_> = part::changes(&git.run()?).collect();
        back.retain(|change| part.has(&change.path));
        if back.is_empty() || written == WRITES {
            return Ok(());
        }
        lock::clear(&lock, &place.files, place.limit)?;
        let git = place.git().args(["update-index", "-z", "--index-info"]);
        match git.input(part::lines(&back)).run() {
            Ok(_) => written += 1,
            Err(e) if e.says("index.lock") && began.elapsed() < INDEX_WAIT => {
                std::thread::sleep(AGAIN);
            }
            Err(e) => return Err(e),
        }
    }
}
