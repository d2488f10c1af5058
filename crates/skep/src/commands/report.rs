//! `skep report`: what was done, what failed, what it cost, and what to look at next (U-7).

use crate::{
    args::{Context, quoted},
    failure::{Exit, Failure},
    place::{Place, Source, now},
    show::{
        count,
        table::{cell, table},
    },
    term,
};
use skep_core::{state::State, time::Millis};
use skep_server::{
    api::{ReportDoc, ReportKind, ReportList, SeriesDoc},
    report,
};
use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

/// Reports what was done, what failed and why, what it cost, and what to look at next.
///
/// Without an option: of the run under way, or of the last one. Reports of runs, days and weeks are also written by
/// themselves, to .skep/reports (`[policy.reports]` says which); `skep report --list` names them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One that was written, by its name
    #[arg(value_name = "REPORT", conflicts_with_all = ["since", "hourly", "daily", "weekly", "run"])]
    id: Option<String>,
    /// Of so long a time up to now, such as 3h
    #[arg(long, value_name = "LENGTH", conflicts_with_all = ["hourly", "daily", "weekly", "run"])]
    since: Option<String>,
    /// Of the run under way, or of the last one
    #[arg(long, conflicts_with_all = ["hourly", "daily", "weekly"])]
    run: bool,
    /// Of the last hour
    #[arg(long, conflicts_with_all = ["daily", "weekly"])]
    hourly: bool,
    /// Of the last 24 hours
    #[arg(long, conflicts_with = "weekly")]
    daily: bool,
    /// Of the last seven days
    #[arg(long)]
    weekly: bool,
    /// As a page that needs nothing else, with charts
    #[arg(long, conflicts_with = "md")]
    html: bool,
    /// As Markdown; also what is printed without an option
    #[arg(long)]
    md: bool,
    /// Write it to a file; its ending says how, if no option does
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name the reports that were written by themselves
    #[arg(long, conflicts_with_all = ["id", "since", "hourly", "daily", "weekly", "run", "html", "md", "output"])]
    list: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    if args.list {
        return list(ctx, &ReportList::of(&place.site));
    }
    let doc = find(&place, args).await?;
    let ending = args.output.as_deref().and_then(Path::extension);
    let ending = ending.and_then(|e| e.to_str()).unwrap_or_default();
    let text = if ctx.json || (ending == "json" && !args.html && !args.md) {
        serde_json::to_string_pretty(&doc).unwrap_or_default() + "\n"
    } else if args.html || (!args.md && matches!(ending, "html" | "htm")) {
        report::html(&doc)
    } else {
        report::markdown(&doc)
    };
    match &args.output {
        None => term::print(&text)?,
        Some(path) => write(&ctx.dir.join(path), &text).map_err(|error| {
            let name = path.display().to_string();
            Failure::new(
                Exit::Refused,
                format!("cannot write the report to {}", quoted(&name)),
            )
            .because(&error)
        })?,
    }
    Ok(Exit::Done)
}

async fn find(place: &Place, args: &Args) -> Result<ReportDoc, Failure> {
    let flags = [
        (args.hourly, ReportKind::Hourly),
        (args.daily, ReportKind::Daily),
        (args.weekly, ReportKind::Weekly),
    ];
    let kind = flags.into_iter().find(|(on, _)| *on);
    let kind = kind.map_or(ReportKind::Run, |(_, kind)| kind);
    if let Some(id) = &args.id {
        return stored(place, id);
    }
    let Some(since) = &args.since else {
        return up_to_now(place, kind, None).await;
    };
    let length: Millis = since.parse().map_err(|fault| {
        Failure::usage(format!("--since: {fault}")).hint("write a length such as 3h or 2d")
    })?;
    if !(Millis::secs(1)..=SeriesDoc::LONGEST).contains(&length) {
        let most = SeriesDoc::LONGEST;
        return Err(
            Failure::usage(format!("--since: {length} is not from 1s to {most}"))
                .hint("what happened before is in `skep events`"),
        );
    }
    up_to_now(place, ReportKind::Window, Some(length)).await
}

async fn up_to_now(
    place: &Place,
    kind: ReportKind,
    window: Option<Millis>,
) -> Result<ReportDoc, Failure> {
    let log = match place.source().await? {
        Source::Keeper(client) => return Ok(client.report(kind.word(), window).await?),
        Source::Log(log) => log,
    };
    let (state, now) = (&log.state, now());
    let span = window.map_or_else(
        || report::named(state, kind, now),
        |length| report::since(length, now),
    );
    let doc = ReportDoc::of(state, kind, kind.word(), span, now);
    Ok(report::salvage(&place.repo, report::shelf(state), doc))
}

/// How long a run's end waits for its report: longer than it takes to write one.
const WRITTEN: Duration = Duration::from_secs(3);

/// The page of a run that has ended, once the keeper has written it; `None` if it writes none.
pub(crate) async fn of_run(place: &Place, state: &State) -> Option<String> {
    let finished = state.finished().filter(|_| state.policy().reports.run)?;
    let id = report::run_id(finished);
    let (whole, page) = (format!("{id}.json"), format!("{id}.html"));
    let dir = place.site.reports();
    let there = async {
        while !dir.join(&whole).exists() {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    let written = tokio::time::timeout(WRITTEN, there).await.is_ok();
    written.then(|| format!(".skep/reports/{page}"))
}

fn stored(place: &Place, id: &str) -> Result<ReportDoc, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(
            Exit::Refused,
            format!("the report {} cannot be read", quoted(id)),
        )
        .because(&error)
        .hint("its page in .skep/reports may still be whole")
    };
    let found = report::read(&place.site, id).map_err(unreadable)?;
    found.ok_or_else(|| {
        Failure::usage(format!("there is no report {}", quoted(id)))
            .hint("`skep report --list` names those that there are")
    })
}

fn list(ctx: &Context, list: &ReportList) -> Result<Exit, Failure> {
    if ctx.json {
        term::print_json(list)?;
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = list
        .reports
        .iter()
        .map(|r| vec![cell(&r.id), cell(r.kind.word()), cell(&r.page)])
        .collect();
    let look = super::look(ctx);
    let mut out = table(&["REPORT", "OF", "PAGE"], &rows, look.width, look.color);
    out.push_str(&format!("\n{}\n", count(rows.len(), "report")));
    term::print(&out)?;
    Ok(Exit::Done)
}

/// A person's own file: it is theirs to share, and is replaced only once the new one is whole.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    // What is no file (a terminal, a pipe) is written to, and never replaced.
    if path.exists() && !path.is_file() {
        return OpenOptions::new()
            .write(true)
            .open(path)?
            .write_all(text.as_bytes());
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let next = path.with_file_name(name);
    let written = std::fs::write(&next, text).and_then(|()| std::fs::rename(&next, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&next);
    }
    written
}
