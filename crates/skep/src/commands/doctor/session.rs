//! The tmux session, where attempts run in panes.

use super::{Report, Verdict};
use crate::place::Place;
use skep_host::tmux::TmuxError;

/// The tmux session of a swarm that needs none now, and what stands in the way of one that it needs.
pub(super) fn check(place: &Place, keeper: bool, fix: bool, report: &mut Report) {
    let Ok(state) = place.fold() else { return };
    let Some(session) = place.session(&state) else {
        return;
    };
    let needs = state
        .swarm()
        .is_some_and(|s| !s.spec.host.is_headless() && state.finished().is_none());
    let what = format!("the session {}", session.name());
    match session.panes() {
        Ok(Some(panes)) if keeper || state.live().len() > 0 => {
            let panes = panes.iter().filter(|p| p.worker.is_some()).count();
            let what = format!("{what} has {}", crate::show::count(panes, "pane"));
            report.add("session", Verdict::Good, what, "");
        }
        Ok(Some(_)) => {
            let what = format!("{what} was left behind");
            let watched = session.viewers().is_ok_and(|viewers| viewers > 0);
            if fix && !watched {
                let ended = session.end().is_ok();
                let verdict = if ended { Verdict::Fixed } else { Verdict::Bad };
                report.add("session", verdict, what, "");
            } else {
                let hint = if watched {
                    "somebody is attached; it ends with the last of them, or with `skep clean`"
                } else {
                    "`skep doctor --fix` ends it"
                };
                report.add("session", Verdict::Note, what, hint);
            }
        }
        Ok(None) => {}
        Err(error @ TmuxError::Foreign { .. }) => {
            let verdict = if needs { Verdict::Bad } else { Verdict::Note };
            report.add("session", verdict, error.to_string(), error.hint());
        }
        Err(error) if needs => {
            report.add("session", Verdict::Bad, error.to_string(), error.hint());
        }
        Err(_) => {}
    }
}
