//! Whether the layers of configuration make sense, and whether anything in them is about to be committed (U-9, U-11).

use super::{Report, Verdict};
use crate::{layers, place::Place};
use skep_host::command::command;
use skep_server::{
    http,
    plan::layers::{LOCAL, Rank},
};
use std::process::Stdio;

pub(super) fn check(place: &Place, report: &mut Report) {
    let (found, files) = match layers::find(place, &[]) {
        Ok(found) => found,
        Err(failure) => {
            let text = failure.render(false);
            let text = text.trim().trim_start_matches("error: ");
            return report.add("config", Verdict::Bad, text, "");
        }
    };
    let options = http::options(place.repo.root());
    let judged = found
        .check(&options)
        .and_then(|()| found.policy(&options).map(drop));
    if let Err(faults) = judged {
        // The first is enough to begin with, and says its file and line.
        let first = faults.list().first();
        let what = first.map_or_else(
            || faults.to_string(),
            |f| format!("{}:{}:{}: {}", f.file, f.line, f.column, f.message),
        );
        let help = first.and_then(|f| f.help.clone()).unwrap_or_default();
        return report.add("config", Verdict::Bad, what, &help);
    }
    let used = files.iter().filter(|f| f.exists);
    let used: Vec<String> = used.map(|f| f.path.display().to_string()).collect();
    if used.is_empty() {
        report.add("config", Verdict::Good, "no file; the defaults hold", "");
    } else {
        report.add("config", Verdict::Good, used.join(", "), "");
    }
    if files.iter().any(|f| f.rank == Rank::Local && f.exists) {
        local(place, report);
    }
}

/// One person's file does not belong into everybody's history.
fn local(place: &Place, report: &mut Report) {
    let root = place.repo.root();
    let git = |args: &[&str]| {
        let mut git = command("git", root);
        let git = git.args(args).stdout(Stdio::null()).stderr(Stdio::null());
        git.status().is_ok_and(|status| status.success())
    };
    if git(&["ls-files", "--error-unmatch", "--", LOCAL]) {
        let what = format!("{LOCAL} is committed, and is meant for one person");
        let hint = format!("git rm --cached {LOCAL}, and put /{LOCAL} into .git/info/exclude");
        report.add("config", Verdict::Note, what, &hint);
    } else if !git(&["check-ignore", "-q", "--", LOCAL]) {
        let what = format!("{LOCAL} could be committed by accident");
        let hint = format!("echo /{LOCAL} >> .git/info/exclude");
        report.add("config", Verdict::Note, what, &hint);
    }
}
