//! Noticing at once that a session or a pane of it is gone.
//!
//! A client in control mode stays attached to the session. tmux tells it of every change, and its end means the
//! session's, or the server's. What it says is only ever a hint to look. It takes no part in the session's size,
//! asks for no output, and is on a leash: tmux 3.3 waits for ever, even when it is to end itself, for a client
//! whose reader went away (by kill -9 of a keeper, say) while something was being written to it.

use super::Tmux;
use crate::command::leashed;
use std::{
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Calls back when something may have changed; until dropped.
#[derive(Debug)]
pub struct Watch {
    client: Child,
    ended: Arc<AtomicBool>,
}

impl Watch {
    /// Watches a session, until the calling thread ends. `program` is Skep's own, for the leash. `hint` is called on a thread of its own, and a last time at the end.
    ///
    /// # Errors
    /// When the client cannot be started.
    pub fn begin(
        program: &Path,
        tmux: &Tmux,
        name: &str,
        hint: impl Fn() + Send + 'static,
    ) -> io::Result<Watch> {
        let mut attach = tmux.command();
        attach.args(["-C", "attach-session", "-t", &format!("={name}")]);
        let mut command = leashed(program, &attach);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut client = command.spawn()?;
        if let Some(stdin) = &mut client.stdin {
            // Else every byte that an agent prints would come this way, too.
            let _ = stdin.write_all(b"refresh-client -F no-output\n");
        }
        let out = client.stdout.take();
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        let watch = Watch { client, ended };
        thread::Builder::new()
            .name("tmux-watch".into())
            .spawn(move || {
                let mut lines = out
                    .into_iter()
                    .flat_map(|out| BufReader::new(out).split(b'\n'));
                while let Some(Ok(line)) = lines.next() {
                    if says_something(&line) {
                        hint();
                    }
                }
                over.store(true, Ordering::Release);
                hint();
            })?;
        Ok(watch)
    }

    /// Whether it has ended: with the session, or because somebody detached it (`tmux attach -d` does that to
    /// every client but its own).
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

fn says_something(line: &[u8]) -> bool {
    const CHANGES: [&[u8]; 6] = [
        b"%layout-change",
        b"%window-close",
        b"%unlinked-window-close",
        b"%session-changed",
        b"%sessions-changed",
        b"%exit",
    ];
    CHANGES.iter().any(|change| line.starts_with(change))
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Its thread then reads the end.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}
