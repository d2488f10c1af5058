//! What a crash or an agent left behind (W-15).

use super::{Report, Verdict};
use crate::place::Place;
use skep_core::{event::Event, id::SwarmName, state::State};
use skep_host::{
    keeper,
    litter::{self, KINDS, Scene},
};
use std::{collections::BTreeSet, ops::ControlFlow};

pub(super) fn check(
    place: &Place,
    state: Option<&State>,
    keeper: bool,
    fix: bool,
    report: &mut Report,
) {
    let Some(state) = state else {
        let hint = "first the log: without it nobody can say what is still needed";
        report.add("litter", Verdict::Note, "was not looked for", hint);
        return;
    };
    let swarms = swarms(place);
    let scene = Scene {
        repo: &place.repo,
        site: &place.site,
        state,
        swarms: &swarms,
        keeper,
    };
    for (kind, found) in litter::find(&scene) {
        match found {
            Err(error) => report.add(kind, Verdict::Bad, error, ""),
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                for litter in found {
                    let what = format!("{}: {}", litter.what, litter.why);
                    if !fix {
                        let hint = "`skep doctor --fix` puts it away, and saves first what is nowhere else";
                        report.add(kind, Verdict::Note, what, hint);
                        continue;
                    }
                    match litter.mend() {
                        Ok(()) => report.add(kind, Verdict::Fixed, what, ""),
                        Err(why) => report.add(kind, Verdict::Bad, format!("{what}: {why}"), ""),
                    }
                }
            }
        }
    }
    let kinds = KINDS.iter().any(|kind| report.has(kind));
    if !kinds {
        // Ports are computed anew by every keeper and held by nobody, so there are none to leak.
        let what = "none: no files, runs, processes, worktrees, branches, homes or locks were left";
        report.add("litter", Verdict::Good, what, "");
    }
}

/// The names of all plans that were ever run here.
fn swarms(place: &Place) -> BTreeSet<SwarmName> {
    let mut names = BTreeSet::new();
    if place.has_log() {
        // A log that cannot be read has been reported already.
        let _ = keeper::records(&place.site, 0, &mut |record| {
            if let Event::PlanLoaded { plan, .. } = record.event {
                names.insert(plan.swarm.name.clone());
            }
            ControlFlow::Continue(())
        });
    }
    names
}
