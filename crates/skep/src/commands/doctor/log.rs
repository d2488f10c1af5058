//! The log, and whether the state that it holds makes sense.

use super::{Report, Verdict};
use crate::place::Place;
use skep_core::{state::State, violations};
use skep_store::{Severity, accept_shorter};

/// Whether the log is sound; gives the state that it holds, if it can be read.
pub(super) fn check(place: &Place, fix: bool, report: &mut Report) -> Option<State> {
    if !place.has_log() {
        report.add("log", Verdict::Good, "there is none yet", "");
        return Some(State::default());
    }
    let path = place.site.log();
    let findings = skep_store::doctor(&path);
    let damaged = findings.iter().any(|f| f.severity == Severity::Damage);
    for finding in &findings {
        let bad = finding.severity == Severity::Damage;
        let verdict = if bad { Verdict::Bad } else { Verdict::Note };
        report.add("log", verdict, finding.what.clone(), finding.hint);
    }
    if damaged && fix {
        match accept_shorter(&path) {
            Ok(repair) => {
                for check in report.checks.iter_mut().filter(|c| c.name == "log") {
                    check.verdict = Verdict::Note;
                }
                let lost = repair.had.saturating_sub(repair.kept);
                let what = format!("kept {} entries; {lost} are lost to the log", repair.kept);
                let aside = repair
                    .aside
                    .map(|p| format!("the damaged files are in {}", p.display()));
                report.add("log", Verdict::Fixed, what, &aside.unwrap_or_default());
            }
            Err(error) => report.add("log", Verdict::Bad, error.to_string(), error.hint()),
        }
        return place.fold().ok();
    }
    if damaged {
        return None;
    }
    match place.fold() {
        Ok(state) => {
            report.add(
                "log",
                Verdict::Good,
                format!("{} entries, all sound", state.seq()),
                "",
            );
            for violation in violations::find(&state) {
                let hint = "this is a bug in skep: please report it with `skep events --json`";
                report.add("state", Verdict::Bad, violation, hint);
            }
            Some(state)
        }
        Err(failure) => {
            report.add("log", Verdict::Bad, failure.render(false).trim(), "");
            None
        }
    }
}
