//! What a tmux pane shows: the output of the run that runs in it ([`Screen`]), or, as a viewer ([`main`]), that
//! of a run which lost its pane and goes on without. The panes themselves are [`crate::tmux`]'s.

mod filter;
mod screen;

pub(crate) use screen::Screen;

use crate::run::{Look, look, read_output};
use filter::Filter;
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::inotify,
};
use std::{
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    process::ExitCode,
};

/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

/// Shows the run in `folder` until it is over; without a folder, that there is none. The whole life of a
/// process, which runs in a pane.
#[must_use]
pub fn main(folder: Option<&Path>) -> ExitCode {
    let shown = match folder {
        Some(folder) => view(folder),
        None => writeln!(io::stdout(), "\x1b[2m── waits for its first task\x1b[0m"),
    };
    // With the pane gone there is nobody to show anything to.
    shown.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

fn view(folder: &Path) -> io::Result<()> {
    // Watched before it is read, so that nothing written in between is missed.
    let changes = watch(folder, inotify::WatchFlags::MODIFY | created())?;
    let (mut filter, mut shown, mut from) = (Filter::default(), Vec::new(), 0);
    writeln!(
        io::stdout(),
        "\x1b[2m── goes on without its first pane\x1b[0m"
    )?;
    loop {
        // Asked before reading: what is written before the end is then read in this round.
        let running = look(folder);
        let chunk = read_output(folder, from, PIECE)?;
        from = chunk.at + chunk.bytes.len() as u64;
        if !chunk.bytes.is_empty() {
            shown.clear();
            filter.push(&chunk.bytes, &mut shown);
            io::stdout().write_all(&shown)?;
            continue;
        }
        io::stdout().flush()?;
        let Look::Running(running) = running else {
            break;
        };
        let shim = running.pidfd();
        let _ = poll(
            &mut [
                PollFd::new(&changes, PollFlags::IN),
                PollFd::new(&shim, PollFlags::IN),
            ],
            None,
        );
        drain(&changes);
    }
    writeln!(io::stdout(), "\x1b[0m\x1b[2m── over\x1b[0m")
}

fn created() -> inotify::WatchFlags {
    inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO
}

/// Becomes readable when something appears in `folder`, or what else is asked for happens there.
fn watch(folder: &Path, what: inotify::WatchFlags) -> io::Result<OwnedFd> {
    let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
    let changes = inotify::init(flags)?;
    inotify::add_watch(&changes, folder, what)?;
    Ok(changes)
}

/// Becomes readable when something appears in `folder`.
pub(crate) fn appearing(folder: &Path) -> io::Result<OwnedFd> {
    watch(folder, created())
}

/// Takes what is there to be read. What it says does not matter: whoever is woken looks.
pub(crate) fn drain(changes: impl AsFd) {
    let mut buffer = [0; 4096];
    while rustix::io::read(&changes, &mut buffer[..]).is_ok_and(|length| length > 0) {}
}
