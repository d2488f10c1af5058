//! `skep logs`: what an attempt printed. Of an agent that speaks a protocol, what that says; of others, their text.

use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::{Place, Source},
    signals::Signals,
    term::{self, Style},
};
use skep_core::id::{Attempt, TaskId, WorkerId};
use skep_host::run::{Kind, Secrets, is_told, narrated, read_output};
use skep_server::api::LogPage;
use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    time::Duration,
};

/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

/// Prints the output of a task's last attempt, of what a worker runs, or of an attempt by number.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A task, a worker or an attempt's number
    name: String,
    /// Go on until the attempt ends
    #[arg(long, short)]
    follow: bool,
    /// Of the task, this attempt
    #[arg(long, value_name = "N")]
    attempt: Option<u64>,
    /// As it was written: the agent's protocol, escape sequences included
    #[arg(long)]
    raw: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    let attempt = attempt(&place, args).await?;
    let folder = place.site.runs().join(format!("a{attempt}"));
    if !folder.is_dir() {
        return Err(
            Failure::usage(format!("there is no output of attempt {attempt}"))
                .hint("`skep clean` removes it with the rest of finished work"),
        );
    }
    if ctx.json {
        return json(&folder, attempt);
    }
    if !args.raw && is_told(&folder) {
        return told(ctx, &folder, args.follow).await;
    }
    let raw = args.raw || !io::stdout().is_terminal();
    let mut signals = Signals::listen()?;
    let mut from = 0;
    let mut partial = Vec::new();
    loop {
        // Asked before reading: what is written before the end is then read in this round.
        let ended = folder.join("exit.json").exists();
        let chunk = read(&folder, from)?;
        if chunk.at > from && from > 0 {
            term::say("(some output was dropped before it could be read)\n");
        }
        from = chunk.at + chunk.bytes.len() as u64;
        if !chunk.bytes.is_empty() {
            write(&chunk.bytes, raw, &mut partial)?;
            continue;
        }
        if ended || !args.follow {
            let rest = std::mem::take(&mut partial);
            return print_safe(&rest).map(|()| Exit::Done);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            _ = signals.next() => return Ok(Exit::Interrupted),
        }
    }
}

/// Prints what the output says, line by line.
async fn told(ctx: &Context, folder: &Path, follow: bool) -> Result<Exit, Failure> {
    let color = term::color(&io::stdout(), Some(ctx.color));
    let secrets = secrets();
    let mut signals = Signals::listen()?;
    let mut from = 0;
    loop {
        let page = narrated(folder, from, PIECE, &secrets).map_err(|e| unread(&e))?;
        if page.at > from && from > 0 {
            term::say("(some output was dropped before it could be read)\n");
        }
        let moved = page.next > from;
        from = page.next;
        let lines = page.lines.iter().map(|line| {
            let (style, mark) = look(line.kind);
            let text = format!("{mark}{}", term::escape(&line.text));
            term::paint(color, style, &text) + "\n"
        });
        let text: String = lines.collect();
        if !text.is_empty() {
            term::print(&text)?;
        }
        if page.more && moved {
            continue;
        }
        if page.ended || !follow {
            return Ok(Exit::Done);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            _ = signals.next() => return Ok(Exit::Interrupted),
        }
    }
}

/// What this process's environment says is secret: most likely, the agent's was the same.
fn secrets() -> Secrets {
    let text = |text: std::ffi::OsString| text.into_string().ok();
    let all = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
    let all: Vec<(String, String)> = all.collect();
    let mut secrets = Secrets::default();
    secrets.add_variables(
        all.iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    secrets
}

/// How a kind of line looks, and what stands before it.
fn look(kind: Kind) -> (Style, &'static str) {
    match kind {
        Kind::Said => (Style::Plain, ""),
        Kind::Thought => (Style::Dim, ""),
        Kind::Tool => (Style::Strong, "> "),
        Kind::Result => (Style::Dim, "  "),
        Kind::Usage => (Style::Dim, "= "),
        Kind::Error => (Style::Bad, "! "),
        Kind::Note => (Style::Dim, "- "),
        Kind::Plain => (Style::Dim, "| "),
    }
}

/// The attempt that is meant.
async fn attempt(place: &Place, args: &Args) -> Result<Attempt, Failure> {
    if let Ok(number) = args.name.parse::<u64>() {
        return Ok(Attempt(number));
    }
    let source = place.source().await?;
    if let Ok(worker) = args.name.parse::<WorkerId>() {
        return of_worker(&source, worker).await;
    }
    let id: TaskId = crate::args::task(&args.name)?;
    let task = source.task(&id).await?;
    if let Some(number) = args.attempt {
        let known = task.history.iter().any(|p| p.attempt == number);
        if !known && task.task.attempt != Some(number) {
            return Err(Failure::usage(format!("{id} has no attempt {number}"))
                .hint(format!("`skep tasks show {id}` lists its attempts")));
        }
        return Ok(Attempt(number));
    }
    let last = task.task.attempt.or(task.history.last().map(|p| p.attempt));
    last.map(Attempt).ok_or_else(|| {
        Failure::usage(format!("no attempt of {id} was made yet"))
            .hint(format!("`skep why {id}` says what it waits for"))
    })
}

async fn of_worker(source: &Source, worker: WorkerId) -> Result<Attempt, Failure> {
    let list = source.workers().await?.workers;
    let name = worker.to_string();
    let Some(found) = list.iter().find(|w| w.id == name) else {
        let known: Vec<&str> = list.iter().map(|w| w.id.as_str()).collect();
        let hint = if known.is_empty() {
            "the swarm has no workers".into()
        } else {
            format!("there are {}", known.join(", "))
        };
        return Err(Failure::usage(format!("there is no worker {name}")).hint(hint));
    };
    found.attempt.map(Attempt).ok_or_else(|| {
        Failure::usage(format!("{name} runs nothing now"))
            .hint("`skep logs TASK` shows what a task's last attempt printed")
    })
}

fn read(folder: &Path, from: u64) -> Result<skep_host::run::Chunk, Failure> {
    read_output(folder, from, PIECE).map_err(|e| unread(&e))
}

fn unread(error: &io::Error) -> Failure {
    Failure::new(Exit::Refused, "cannot read the output").because(error)
}

fn json(folder: &Path, attempt: Attempt) -> Result<Exit, Failure> {
    let mut all = Vec::new();
    loop {
        let chunk = read(folder, all.len() as u64)?;
        if chunk.bytes.is_empty() {
            break;
        }
        all.extend(chunk.bytes);
    }
    let output = String::from_utf8_lossy(&all);
    let (mut lines, secrets) = (Vec::new(), secrets());
    let mut from = 0;
    loop {
        let page = narrated(folder, from, PIECE, &secrets).map_err(|e| unread(&e))?;
        let moved = page.next > from;
        from = page.next;
        lines.extend(LogPage::of(attempt, page.clone()).lines);
        if !(page.more && moved) {
            break;
        }
    }
    term::print_json(
        &serde_json::json!({ "schema": 1, "attempt": attempt, "output": output, "lines": lines }),
    )?;
    Ok(Exit::Done)
}

/// Writes whole lines with everything that drives a terminal made visible; a line's part waits for its rest.
fn write(bytes: &[u8], raw: bool, partial: &mut Vec<u8>) -> Result<(), Failure> {
    if raw {
        let mut out = io::stdout().lock();
        let written = out.write_all(bytes).and_then(|()| out.flush());
        return written.map_err(|e| term::unwritten(&e));
    }
    partial.extend_from_slice(bytes);
    let whole = partial
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |n| n + 1);
    // A "line" of this size is no line that anybody waits for.
    let whole = if partial.len() > PIECE {
        partial.len()
    } else {
        whole
    };
    let lines: Vec<u8> = partial.drain(..whole).collect();
    print_safe(&lines)
}

fn print_safe(bytes: &[u8]) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    // Colours are harmless and common, so they are taken out rather than shown as escapes.
    term::print(&term::escape_lines(&without_colours(&text)))
}

/// Takes out `ESC [ … m`, and nothing else.
pub(crate) fn without_colours(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':');
        match end {
            Some(at) if part[at..].starts_with('m') => out.push_str(&part[at + 1..]),
            _ => {
                out.push_str("\x1b[");
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: T-3
    #[test]
    fn colours_go_and_what_drives_a_terminal_is_shown() {
        let text = without_colours("\x1b[1;31mred\x1b[0m \x1b[2Jx\x1b]0;title\x07");
        assert_eq!(
            term::escape_lines(&text),
            "red \\u{1b}[2Jx\\u{1b}]0;title\\u{7}"
        );
    }
}
