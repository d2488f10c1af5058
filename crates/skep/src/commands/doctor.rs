//! `skep doctor`: finds what is wrong on this machine, and mends what a crash left (U-9, W-15).

use super::look;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    term::{self, Style, escape, paint},
};
use serde::Serialize;
use skep_core::violations;
use skep_host::{
    command::command,
    git::MIN_VERSION,
    run::{self, Look},
    tmux::{Tmux, TmuxError},
};
use skep_store::{Severity, accept_shorter};
use std::{fs, path::Path};

/// Agents that are looked for on PATH.
const AGENTS: [&str; 6] = ["claude", "codex", "gemini", "opencode", "aider", "pi"];
/// Less free disk than this is worth a word.
const DISK_PERCENT: u64 = 20;

/// Checks git, the repository, the log, what crashes left, and which agents there are.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Mend what can be mended without losing anything
    #[arg(long)]
    fix: bool,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    Note,
    Bad,
    Fixed,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    what: String,
    hint: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    schema: u32,
    checks: Vec<Check>,
}

impl Report {
    fn add(&mut self, name: &'static str, verdict: Verdict, what: impl Into<String>, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.into());
        self.checks.push(Check {
            name,
            verdict,
            what: what.into(),
            hint,
        });
    }
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let mut report = Report {
        schema: 1,
        checks: Vec::new(),
    };
    machine(ctx, &mut report);
    match Place::find(ctx) {
        Ok(place) => {
            let root = place.repo.root().display().to_string();
            report.add("repository", Verdict::Good, root, "");
            let keeper = keeper(&place, args.fix, &mut report).await;
            log(&place, args.fix && !keeper, &mut report);
            disk(place.repo.root(), &mut report);
            left_behind(&place, keeper, args.fix, &mut report);
            session(&place, keeper, args.fix, &mut report);
        }
        Err(failure) => {
            let text = failure.render(false);
            let text = text.trim().trim_start_matches("error: ").to_string();
            report.add("repository", Verdict::Bad, text, "");
        }
    }
    let bad = report.checks.iter().any(|c| c.verdict == Verdict::Bad);
    if ctx.json {
        term::print_json(&report)?;
    } else {
        term::print(&render(&report, look(ctx).color))?;
    }
    Ok(if bad { Exit::Unfinished } else { Exit::Done })
}

fn render(report: &Report, color: bool) -> String {
    let mut out = String::new();
    for check in &report.checks {
        let (style, word) = match check.verdict {
            Verdict::Good => (Style::Good, "ok   "),
            Verdict::Note => (Style::Care, "note "),
            Verdict::Bad => (Style::Bad, "bad  "),
            Verdict::Fixed => (Style::Good, "fixed"),
        };
        let word = paint(color, style, word);
        out.push_str(&format!(
            "{word}  {:<12}  {}\n",
            check.name,
            escape(&check.what)
        ));
        if let Some(hint) = &check.hint {
            out.push_str(&format!("{:21}hint: {}\n", "", escape(hint)));
        }
    }
    out
}

fn machine(ctx: &Context, report: &mut Report) {
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
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |name: &&str| std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    let found: Vec<&str> = AGENTS.into_iter().filter(there).collect();
    if found.is_empty() {
        let hint = "the shell agent and agents by configuration always work";
        report.add("agents", Verdict::Note, "no known agent is on PATH", hint);
    } else {
        report.add("agents", Verdict::Good, found.join(", "), "");
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

/// Looks for the keeper, and says whether one runs.
async fn keeper(place: &Place, fix: bool, report: &mut Report) -> bool {
    let socket = place.site.socket();
    match place.client.is_there().await {
        Ok(true) => {
            report.add("keeper", Verdict::Good, "runs", "");
            true
        }
        Ok(false) if socket.exists() && fix => {
            let gone = fs::remove_file(&socket).is_ok();
            let verdict = if gone { Verdict::Fixed } else { Verdict::Bad };
            report.add("keeper", verdict, "a dead keeper left its socket", "");
            false
        }
        Ok(false) if socket.exists() => {
            let what = "none runs; a dead one left its socket";
            report.add("keeper", Verdict::Note, what, "the next keeper replaces it");
            false
        }
        Ok(false) => {
            report.add("keeper", Verdict::Good, "none runs", "");
            false
        }
        Err(error) => {
            report.add(
                "keeper",
                Verdict::Bad,
                error.to_string(),
                "end that process, then try again",
            );
            true
        }
    }
}

fn log(place: &Place, fix: bool, report: &mut Report) {
    if !place.has_log() {
        report.add("log", Verdict::Good, "there is none yet", "");
        return;
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
        return;
    }
    if damaged {
        return;
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
        }
        Err(failure) => report.add("log", Verdict::Bad, failure.render(false).trim(), ""),
    }
}

fn disk(root: &Path, report: &mut Report) {
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

/// What a crash can leave: run folders whose shim died, and worktrees that git forgot or that forgot git.
fn left_behind(place: &Place, keeper: bool, fix: bool, report: &mut Report) {
    let entries = fs::read_dir(place.site.runs())
        .into_iter()
        .flatten()
        .flatten();
    let lost = entries
        .map(|e| e.path())
        .filter(|p| matches!(run::look(p), Look::Lost { .. }));
    let lost: Vec<_> = lost.collect();
    // A running keeper sees to these itself.
    if !lost.is_empty() && !keeper {
        let names: Vec<String> = lost
            .iter()
            .filter_map(|p| Some(p.file_name()?.to_string_lossy().into()))
            .collect();
        let what = format!("runs whose shim died: {}", names.join(", "));
        if fix {
            let swept = lost.iter().all(|folder| run::sweep(folder).is_ok());
            let verdict = if swept { Verdict::Fixed } else { Verdict::Bad };
            report.add(
                "runs",
                verdict,
                what,
                "their work is saved when a keeper next runs",
            );
        } else {
            let hint = "`skep doctor --fix` ends what they left running; `skep run` goes on";
            report.add("runs", Verdict::Note, what, hint);
        }
    } else {
        report.add("runs", Verdict::Good, "nothing was left running", "");
    }
    match place.repo.worktrees_below(&place.site.worktrees()) {
        Ok(all) => {
            let gone = all.iter().filter(|w| w.prunable).count();
            if gone > 0 && fix && !keeper {
                let mended = all
                    .iter()
                    .filter(|w| w.prunable)
                    .all(|w| place.repo.remove(&w.path, &[], None).is_ok());
                let verdict = if mended { Verdict::Fixed } else { Verdict::Bad };
                report.add(
                    "worktrees",
                    verdict,
                    format!("{gone} registered, but gone"),
                    "",
                );
            } else if gone > 0 {
                let hint = "`skep doctor --fix` forgets them";
                report.add(
                    "worktrees",
                    Verdict::Note,
                    format!("{gone} registered, but gone"),
                    hint,
                );
            } else {
                report.add(
                    "worktrees",
                    Verdict::Good,
                    format!("{} in use", all.len()),
                    "",
                );
            }
        }
        Err(error) => report.add("worktrees", Verdict::Bad, error.chain(), ""),
    }
}

/// The tmux session of a swarm that needs none now, and what stands in the way of one that it needs.
fn session(place: &Place, keeper: bool, fix: bool, report: &mut Report) {
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
