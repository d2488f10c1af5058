//! What Skep needs of the machine.

use super::{Report, Verdict};
use crate::args::Context;
use skep_host::{command::command, git::MIN_VERSION, tmux::Tmux};
use std::path::Path;

/// Less free disk than this is worth a word.
const DISK_PERCENT: u64 = 20;

/// git, tmux, containment.
pub(super) fn check(ctx: &Context, report: &mut Report) {
    report.add("skep", Verdict::Good, env!("CARGO_PKG_VERSION"), "");
    match first_line(&ctx.dir, "git", &["--version"]) {
        Some(version) => report.add("git", Verdict::Good, version, ""),
        None => {
            let hint = format!("install git {MIN_VERSION} or newer and put it on PATH");
            report.add("git", Verdict::Bad, "git cannot be started", &hint);
        }
    }
    match Tmux::from_env().check() {
        Ok(version) => report.add("tmux", Verdict::Good, format!("tmux {version}"), ""),
        Err(error) => report.add("tmux", Verdict::Note, error.to_string(), error.hint()),
    }
    // The same call that contains attempts; `unshare` needs no privilege where namespaces are allowed.
    let contained = command("unshare", &ctx.dir)
        .args(["--user", "--map-root-user", "--pid", "--fork", "true"])
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|s| s.success());
    if contained {
        report.add(
            "namespaces",
            Verdict::Good,
            "attempts can be held in PID namespaces",
            "",
        );
    } else {
        let hint = "attempts are then ended by sweeping, which takes some milliseconds longer";
        report.add(
            "namespaces",
            Verdict::Note,
            "PID namespaces are not to be had",
            hint,
        );
    }
}

fn first_line(dir: &Path, program: &str, args: &[&str]) -> Option<String> {
    let output = command(program, dir).args(args).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .next()
        .map(ToString::to_string)
        .filter(|_| output.status.success())
}

/// Room on the disk.
pub(super) fn disk(root: &Path, report: &mut Report) {
    let Ok(stat) = rustix::fs::statvfs(root) else {
        return;
    };
    let percent = stat.f_bavail.saturating_mul(100) / stat.f_blocks.max(1);
    let free = stat.f_bavail.saturating_mul(stat.f_frsize) / (1 << 30);
    let what = format!("{free} GiB free, {percent} %");
    if percent < DISK_PERCENT {
        report.add(
            "disk",
            Verdict::Note,
            what,
            "`skep clean` removes what finished work left",
        );
    } else {
        report.add("disk", Verdict::Good, what, "");
    }
}
