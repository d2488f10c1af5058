//! `skep doctor`: finds what is wrong on this machine, and mends what a crash left (U-9, W-15).
//!
//! One module a subject. What can be littered is known to [`skep_host::litter`], each kind with its remedy.

mod agents;
mod config;
mod keeper;
mod left;
mod log;
mod machine;
mod session;

use super::look;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    show::status as show,
    term::{self, Style, escape, paint},
};
use serde::Serialize;

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
    /// Whether anything was said of this.
    fn has(&self, name: &str) -> bool {
        self.checks.iter().any(|check| check.name == name)
    }

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
    machine::check(ctx, &mut report);
    match Place::find(ctx) {
        Ok(place) => {
            let root = place.repo.root().display().to_string();
            report.add("repository", Verdict::Good, root, "");
            let keeper = keeper::check(&place, args.fix, &mut report).await;
            let state = log::check(&place, args.fix && !keeper, &mut report);
            agents::check(state.as_ref(), &mut report);
            config::check(&place, &mut report);
            machine::disk(place.repo.root(), &mut report);
            // What a keeper uses is only put away while none can start.
            let rest = (args.fix && !keeper).then(|| place.rest()).transpose();
            if let Err(failure) = &rest {
                let text = failure.render(false);
                let text = text.trim().trim_start_matches("error: ");
                report.add(
                    "litter",
                    Verdict::Bad,
                    format!("is not put away: {text}"),
                    "",
                );
            }
            let fix = args.fix && rest.is_ok();
            left::check(&place, state.as_ref(), keeper, fix, &mut report);
            session::check(&place, keeper, fix, &mut report);
        }
        Err(failure) => {
            agents::check(None, &mut report);
            let text = failure.render(false);
            let text = text.trim().trim_start_matches("error: ").to_string();
            report.add("repository", Verdict::Bad, text, "");
        }
    }
    let bad = report.checks.iter().any(|c| c.verdict == Verdict::Bad);
    if ctx.json {
        term::print_json(&report)?;
    } else {
        term::print(&render(&report, look(ctx)))?;
    }
    Ok(if bad { Exit::Unfinished } else { Exit::Done })
}

fn render(report: &Report, look: show::Look) -> String {
    let mut out = String::new();
    for check in &report.checks {
        let (style, word) = match check.verdict {
            Verdict::Good => (Style::Good, "ok   "),
            Verdict::Note => (Style::Care, "note "),
            Verdict::Bad => (Style::Bad, "bad  "),
            Verdict::Fixed => (Style::Good, "fixed"),
        };
        let word = paint(look.color, style, word);
        let mut text = format!("{word}  {:<12}  {}\n", check.name, escape(&check.what));
        if let Some(hint) = &check.hint {
            text.push_str(&format!("{:21}hint: {}\n", "", escape(hint)));
        }
        out.push_str(&term::wrap(&text, look.width, 21));
    }
    out
}
