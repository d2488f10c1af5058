//! A worktree that all workers share: who wrote which of its files, what clearing it means, and what must hold
//! of it. None of it asks the core who may meet whom.

use crate::{
    audit::Kind,
    git::{FILES, file_name},
    hosts::FolderState,
    mutant::Mutant,
    world::World,
};
use skep_core::{
    id::{Attempt, Oid, TaskId},
    plan::Order,
    spec::Glob,
    task::{Fix, FixStrategy},
};
use std::collections::BTreeSet;

pub(crate) struct SharedTree {
    /// The commit it was brought to.
    head: Oid,
    /// Who wrote a file since it was last as that commit has it.
    pub(crate) files: [Option<Attempt>; FILES],
    /// The attempts for which it was cleared: their shims may be at work, or about to be.
    pub(crate) begun: BTreeSet<Attempt>,
}

impl SharedTree {
    pub(crate) fn holds(&self, attempt: Attempt) -> bool {
        self.files.contains(&Some(attempt))
    }
}

/// What of a shared worktree an attempt may change; `None` is all of it.
pub(crate) fn part(order: &Order) -> Option<Vec<usize>> {
    order.shared.as_ref()?;
    part_of(&order.task.files, order.fix.as_ref())
}

fn part_of(globs: &[Glob], fix: Option<&Fix>) -> Option<Vec<usize>> {
    if globs.is_empty() || fix.is_some_and(|f| f.strategy == FixStrategy::Resolve) {
        return None;
    }
    let named = |f: &usize| globs.iter().any(|glob| glob.matches(&file_name(*f)));
    Some((0..FILES).filter(named).collect())
}

fn meet(one: Option<&Vec<usize>>, other: Option<&Vec<usize>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.iter().any(|f| other.contains(f)),
        _ => true,
    }
}

impl World {
    pub(crate) fn shares(&self) -> bool {
        !self.plan.swarm.worktree
    }

    pub(crate) fn bring_shared(&mut self, base: &Oid) {
        let begun = self.hosts.shared.take().map(|t| t.begun);
        self.hosts.shared = Some(SharedTree {
            head: base.clone(),
            files: [None; FILES],
            begun: begun.unwrap_or_default(),
        });
    }

    /// Clears the worktree for an attempt whose shim was never spawned: all of it if nobody is there.
    pub(crate) fn clear_for(&mut self, attempt: Attempt, order: &Order) {
        let (Some(shared), Some(tree)) = (&order.shared, &self.hosts.shared) else {
            return;
        };
        if tree.begun.contains(&attempt) || self.mutated(Mutant::ClearNothing) {
            return;
        }
        let running = |s: &FolderState| matches!(s, FolderState::Running { .. });
        let nobody = !self.hosts.folders.values().any(|f| running(&f.state))
            && !shared.beside.iter().any(|other| tree.begun.contains(other));
        let part = part(order).filter(|_| !nobody && !self.mutated(Mutant::ClearBeside));
        self.coverage.hit(match part {
            Some(_) => "shared: cleared in part",
            None => "shared: cleared as a whole",
        });
        let whole = part.is_none();
        self.clear_files(part);
        if whole {
            self.audit_sync();
            self.bring_shared(&order.base);
        }
    }

    /// Takes files out of the shared worktree, after what is in them was saved.
    pub(crate) fn clear_files(&mut self, part: Option<Vec<usize>>) {
        for file in part.unwrap_or_else(|| (0..FILES).collect()) {
            let writer = self.hosts.shared.as_ref().and_then(|t| t.files[file]);
            let Some(writer) = writer else { continue };
            if self.is_unsaved(writer) && !self.mutated(Mutant::ForgetSave) {
                self.coverage.hit("salvage: shared worktree saved");
                self.save(writer);
            }
            let lost = self.is_unsaved(writer);
            self.audit.unsafe_if(lost, "V: no work is lost", || {
                format!("of attempt {writer}, in the shared worktree")
            });
            let under = self.audit.alive.contains_key(&writer);
            self.audit
                .unsafe_if(under, "V: no file is cleared under its agent", || {
                    format!("attempt {writer}")
                });
            if let Some(tree) = &mut self.hosts.shared {
                tree.files[file] = None;
            }
        }
    }

    fn is_unsaved(&self, attempt: Attempt) -> bool {
        let work = self.hosts.folders.get(&attempt).and_then(|f| f.work);
        work.is_some_and(|w| !self.repo.is_kept(w))
    }

    /// The works of others that are in the files which an attempt saves as its own.
    pub(crate) fn works_beside(&self, attempt: Attempt) -> Vec<u32> {
        let folders = &self.hosts.folders;
        let (Some(tree), Some(folder)) = (&self.hosts.shared, folders.get(&attempt)) else {
            return Vec::new();
        };
        let part = folder
            .part
            .clone()
            .filter(|_| !self.mutated(Mutant::SaveBeside));
        let part = part.unwrap_or_else(|| (0..FILES).collect());
        let writers = part.iter().filter_map(|f| tree.files[*f]);
        let others = writers.filter(|writer| *writer != attempt);
        others
            .filter_map(|writer| folders.get(&writer)?.work)
            .collect()
    }

    /// at the moment of a claim nobody is at the same files.
    pub(crate) fn files_clash(&self, task: &TaskId) -> bool {
        let state = &self.audit.state;
        let part = |id: &TaskId| {
            let task = state.task(id)?;
            part_of(&task.spec.files, task.fix())
        };
        let mine = part(task);
        let meets = |id: &TaskId| meet(mine.as_ref(), part(id).as_ref());
        self.shares() && state.live().any(|live| meets(&live.task))
    }

    /// II: in a shared worktree an attempt starts with its files as its base has them, and with nobody else at
    /// them. `None` where none is shared.
    pub(crate) fn audit_shared_start(&mut self, attempt: Attempt, order: &Order) -> Option<bool> {
        if !self.shares() {
            return None;
        }
        let mine = part(order);
        let folders = &self.hosts.folders;
        let at_work = self.audit.alive.keys().filter(|a| **a != attempt);
        let meets = |a: &&Attempt| {
            let theirs = folders.get(a).and_then(|f| f.part.as_ref());
            meet(mine.as_ref(), theirs)
        };
        let met = { at_work }.find(meets).copied();
        if self.audit.alive.len() > 1 {
            self.coverage.hit("shared: three at once");
        }
        if let Some(other) = met {
            let text = format!("attempts {attempt} and {other}");
            let name = "III: nobody is at the same files of a worktree";
            self.audit.fail(Kind::Safety, name, text);
        }
        let files = mine.unwrap_or_else(|| (0..FILES).collect());
        let tree = self.hosts.shared.as_ref();
        Some(
            tree.is_some_and(|t| {
                t.head == order.base && files.iter().all(|f| t.files[*f].is_none())
            }),
        )
    }

    /// V: the shared worktree is brought to another commit only while nobody is in it.
    pub(crate) fn audit_sync(&mut self) {
        let within = self.audit.alive.keys().next().copied();
        self.audit.unsafe_if(
            within.is_some(),
            "V: no worktree is reset under an agent",
            || format!("attempt {within:?} is in the shared one"),
        );
    }

    /// I: a commit holds what its base holds, what it brings in as a fix, and one work: its own.
    pub(crate) fn audit_commit(&mut self, attempt: Attempt, commit: &Oid) {
        let Some(folder) = self.hosts.folders.get(&attempt) else {
            return;
        };
        let base = &self.repo.commit(&folder.base).works;
        let theirs = folder.theirs.as_ref().map(|o| &self.repo.commit(o).works);
        let known = |work: &u32| {
            base.has(*work) || folder.work == Some(*work) || theirs.is_some_and(|t| t.has(*work))
        };
        let works = &self.repo.commit(commit).works;
        let strange = works.iter().find(|work| !known(work));
        self.audit.unsafe_if(
            strange.is_some(),
            "I: no commit holds another attempt's work",
            || format!("attempt {attempt}: {strange:?}"),
        );
    }
}
