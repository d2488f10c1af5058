//! A wave's merge: built, checked, landed; and the landing on the target.

use crate::{
    event::Event,
    id::{Oid, TaskId},
    merge::{Checking, Merge, MergeStep},
    spec::Landing,
    state::{State, Wave},
    task::TaskState,
    time::Time,
};
use alloc::{collections::BTreeSet, string::String};

impl State {
    pub(super) fn apply_merge(&mut self, event: &Event, now: Time) {
        match event {
            Event::MergeStarted { wave, base, queue } => {
                self.merge = Some(Merge {
                    wave: *wave,
                    round: 1,
                    base: base.clone(),
                    queue: queue.clone(),
                    step: MergeStep::Building,
                    passed: BTreeSet::new(),
                    started: now,
                });
            }
            Event::MergeBuilt {
                chain, conflicts, ..
            } => {
                self.conflicts.extend(conflicts.iter().cloned());
                let checked = self.swarm.as_ref().is_some_and(|s| s.tip_checked);
                let no_check = self.swarm.as_ref().is_some_and(|s| s.spec.check.is_empty());
                // Somebody else's commit on the branch is checked even alone, before the target gets it.
                let unchecked = self.swarm.as_ref().is_some_and(|s| {
                    s.spec.landing == Landing::Main && s.tip != s.began_at && !s.tip_checked
                });
                let Some(merge) = &mut self.merge else { return };
                let known = !unchecked || merge.passed.contains(&merge.base);
                let lone = chain.is_empty() && known;
                merge.step = if no_check || lone {
                    MergeStep::Landing(chain.clone())
                } else {
                    let base_passes = checked || merge.passed.contains(&merge.base);
                    let passing =
                        |prefix: &usize| merge.passed.contains(&chain[*prefix - 1].commit);
                    let good = (1..=chain.len())
                        .rev()
                        .find(passing)
                        .or(base_passes.then_some(0));
                    let chain = chain.clone();
                    if good == Some(chain.len()) {
                        MergeStep::Landing(chain)
                    } else {
                        MergeStep::Checking(Checking {
                            chain,
                            good,
                            bad: None,
                            output: String::new(),
                        })
                    }
                };
            }
            Event::MergeChecked {
                prefix,
                passed,
                output,
                ..
            } => {
                let Some(merge) = &mut self.merge else { return };
                let MergeStep::Checking(checking) = &mut merge.step else {
                    return;
                };
                checking.learn(*prefix, *passed, output);
                if *passed {
                    merge
                        .passed
                        .insert(checking.commit(&merge.base, *prefix).clone());
                }
                if checking.good == Some(checking.chain.len()) && checking.bad.is_none() {
                    merge.step = MergeStep::Landing(checking.chain.clone());
                }
            }
            Event::LeftOut {
                task,
                fixed_by,
                reason,
            } => {
                if let Some(merge) = &mut self.merge {
                    merge.queue.retain(|q| q.task != *task);
                }
                let to = if fixed_by.is_some() {
                    TaskState::Blocked
                } else {
                    TaskState::Flagged
                };
                self.with(task, to, now, |t| {
                    t.fixed_by.clone_from(fixed_by);
                    t.note = Some(reason.clone());
                });
                self.index.rebuild(&mut self.tasks, self.next.wave);
            }
            Event::MergeRebuilt { round, base } => {
                if let Some(merge) = &mut self.merge {
                    (merge.round, merge.base) = (*round, base.clone());
                    merge.step = MergeStep::Building;
                }
                if let Some(swarm) = &mut self.swarm
                    && swarm.tip != *base
                {
                    (swarm.tip, swarm.tip_checked) = (base.clone(), false);
                }
            }
            Event::WaveLanded {
                wave,
                tip,
                merged,
                checked,
            } => {
                self.land(*wave, tip, merged, *checked, now);
            }
            Event::TargetLanded { tip } => {
                if let Some(swarm) = &mut self.swarm {
                    swarm.landed = Some(tip.clone());
                    (swarm.landing_refused, swarm.target_diverged) = (None, false);
                }
            }
            Event::TargetRefused {
                tip,
                reason,
                diverged,
            } => {
                if let Some(swarm) = &mut self.swarm {
                    swarm.landing_refused = Some((tip.clone(), reason.clone()));
                    swarm.target_diverged = *diverged;
                }
            }
            _ => {}
        }
    }

    fn land(&mut self, wave: u32, tip: &Oid, merged: &[(TaskId, Oid)], checked: bool, now: Time) {
        self.merge = None;
        if let Some(swarm) = &mut self.swarm {
            swarm.tip_checked = checked || (swarm.tip_checked && swarm.tip == *tip);
            swarm.tip = tip.clone();
            swarm.target_diverged = false;
        }
        for (id, commit) in merged {
            self.with(id, TaskState::Merged, now, |t| {
                t.merged = Some(commit.clone());
                t.note = None;
            });
        }
        let tasks = merged.iter().map(|(id, _)| id.clone()).collect();
        self.waves.push(Wave {
            id: wave,
            tasks,
            tip: tip.clone(),
        });
        self.next.wave = self.next.wave.max(wave + 1);
        self.index.rebuild(&mut self.tasks, self.next.wave);
    }
}
