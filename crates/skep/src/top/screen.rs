//! The terminal while it is ours: raw, on its other screen; and given back however this ends.

use crate::failure::{Exit, Failure};
use crossterm::{
    cursor::{Hide, Show},
    execute,
    style::force_color_output,
    terminal::{
        Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};
use ratatui::{Terminal, backend::CrosstermBackend};
use rustix::process::{Signal, getpid, kill_process};
use std::{
    io::{self, Stdout, stdout},
    panic,
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether the terminal is ours now. A panic of any thread must know.
static OURS: AtomicBool = AtomicBool::new(false);

/// The terminal, ours until this is dropped.
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    pub(super) fn enter(color: bool) -> Result<Screen, Failure> {
        // It says what it says on the screen that stays.
        let explain = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            explain(info);
        }));
        force_color_output(color);
        let terminal = take().map_err(|error| {
            give_back();
            Failure::new(Exit::Refused, "this terminal cannot be drawn on")
                .because(&error)
                .hint("`skep status --watch` needs less of it")
        })?;
        Ok(Screen { terminal })
    }

    /// Gives the terminal to the shell until it lets us go on.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        // The whole process stops here, and goes on here.
        kill_process(getpid(), Signal::STOP)?;
        self.resume()
    }

    /// Takes the terminal again: whoever had it meanwhile left it as it liked.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        self.terminal = take()?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// With nothing on it. Not by the terminal's own `clear`, which asks where the cursor is: the answer would come by way
/// of the keys, which another thread waits for.
fn take() -> io::Result<Terminal<CrosstermBackend<Stdout>>> {
    OURS.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, Hide, Clear(ClearType::All))?;
    Terminal::new(CrosstermBackend::new(stdout()))
}

fn give_back() {
    if OURS.swap(false, Ordering::SeqCst) {
        // A terminal that is gone needs nothing back.
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}
