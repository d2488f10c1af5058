//! A swarm's session and its panes. A session is a swarm's by its mark, an option of it, not by its name.

use super::{Call, PaneCommand, Tmux, TmuxError, call};
use crate::site::Site;
use skep_core::id::{SwarmName, WorkerId};
use std::{ffi::OsString, fmt::Write as _, path::PathBuf};

/// Panes side by side in one window: as many as attempts run at once by default, and still readable.
const IN_A_WINDOW: usize = 6;
/// What a pane is, for [`Session::panes`]. The last may hold anything.
const PANE: &str = "#{@skep-key} #{window_id} #{pane_id} #{pane_pid} #{pane_dead} #{@skep-worker} \
                    #{@skep-shown} #{window_name}";
const NEW: &str = "#{pane_id} #{pane_pid}";

/// The session of one swarm.
#[derive(Clone, Debug)]
pub struct Session {
    tmux: Tmux,
    name: String,
    /// The swarm's place in the file system, written so that tmux cannot misread it: the mark.
    key: String,
    place: PathBuf,
}

/// A pane of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pane {
    /// `%3`
    pub id: String,
    /// The worker that it is of; none for one that a person has made.
    pub worker: Option<WorkerId>,
    /// The process that runs in it, or ran.
    pub pid: u32,
    /// Its process has ended, and what it printed is still to be seen.
    pub dead: bool,
    /// What it was last made to show: an attempt's number.
    pub shown: Option<u64>,
    window: String,
    window_name: String,
}

impl Session {
    /// The session of the swarm at this place. Touches nothing.
    #[must_use]
    pub fn of(tmux: &Tmux, swarm: &SwarmName, site: &Site) -> Session {
        let place = site.dir().to_path_buf();
        let key = place.as_os_str().as_encoded_bytes().iter();
        let key = key.fold(String::new(), |mut key, byte| {
            let _ = write!(key, "{byte:02x}");
            key
        });
        Session {
            tmux: tmux.clone(),
            name: Session::name_of(swarm),
            key,
            place,
        }
    }

    /// The name of a swarm's session. tmux reads `.` as the beginning of a pane.
    #[must_use]
    pub fn name_of(swarm: &SwarmName) -> String {
        format!("skep-{}", swarm.as_str().replace('.', "_"))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server it is on.
    #[must_use]
    pub fn tmux(&self) -> &Tmux {
        &self.tmux
    }

    /// The session and nothing that is only named like it.
    fn target(&self) -> String {
        format!("={}:", self.name)
    }

    /// Its panes; none when there is no such session.
    ///
    /// # Errors
    /// When tmux does not answer, or the session of that name is another's.
    pub fn panes(&self) -> Result<Option<Vec<Pane>>, TmuxError> {
        let list = || {
            let target = self.target();
            let list = ["list-panes", "-s", "-t", &target, "-F", PANE];
            self.tmux.call(&[call(list)])
        };
        let listed = match list() {
            Err(error) if is_absent(&error) && self.name_again()? => list()?,
            Err(error) if is_absent(&error) => return Ok(None),
            listed => listed?,
        };
        let mut panes = Vec::new();
        for line in listed.lines() {
            let (key, rest) = line.split_once(' ').unwrap_or_default();
            if key != self.key {
                return Err(self.foreign());
            }
            panes.extend(pane(rest));
        }
        Ok(Some(panes))
    }

    /// Gives a session of the swarm's that somebody has renamed its name again; false if there is none. Otherwise
    /// another were made, and this one stayed for ever.
    fn name_again(&self) -> Result<bool, TmuxError> {
        let list = ["list-sessions", "-F", "#{@skep-key} #{session_id}"];
        let listed = match self.tmux.call(&[call(list)]) {
            Err(error) if is_absent(&error) => return Ok(false),
            listed => listed?,
        };
        let mut sessions = listed.lines().filter_map(|line| line.split_once(' '));
        let Some((_, id)) = sessions.find(|(key, _)| *key == self.key) else {
            return Ok(false);
        };
        self.tmux
            .call(&[call(["rename-session", "-t", id, &self.name])])?;
        Ok(true)
    }

    fn foreign(&self) -> TmuxError {
        let asked = [
            "display-message",
            "-p",
            "-t",
            &self.target(),
            "#{@skep-site}",
        ];
        let place = self.tmux.call(&[call(asked)]).unwrap_or_default();
        let whose = match place.trim() {
            "" => "nobody known to Skep".into(),
            place => format!("the swarm in {place}"),
        };
        TmuxError::Foreign {
            name: self.name.clone(),
            whose,
        }
    }

    /// Makes a pane for a worker beside these, and the session if there are none. Gives its id and its process.
    ///
    /// # Errors
    /// When tmux refuses; a session that is another's is not touched.
    pub fn open(
        &self,
        panes: &[Pane],
        worker: WorkerId,
        command: &PaneCommand,
    ) -> Result<(String, u32), TmuxError> {
        let made = if panes.is_empty() {
            self.create(command)?
        } else {
            match roomy(panes).map(|window| self.split(window, command)) {
                Some(Ok(made)) => made,
                // A person can make a window so small that nothing more fits in.
                Some(Err(TmuxError::Refused { .. })) | None => self.window(panes, command)?,
                Some(Err(error)) => return Err(error),
            }
        };
        let (id, pid) = new_pane(&made)?;
        self.tmux.call(&[
            call([
                "set-option",
                "-p",
                "-t",
                &id,
                "@skep-worker",
                &worker.to_string(),
            ]),
            call(["select-layout", "-t", &id, "tiled"]),
        ])?;
        Ok((id, pid))
    }

    fn create(&self, command: &PaneCommand) -> Result<String, TmuxError> {
        let (name, target) = (&*self.name, &*self.target());
        let size = ["-x", "200", "-y", "50"].map(OsString::from);
        let new = call([
            "new-session",
            "-d",
            "-P",
            "-F",
            NEW,
            "-s",
            name,
            "-n",
            "workers",
        ]);
        let set = |option: &str, value: &str| call(["set-option", "-t", target, option, value]);
        // The mark comes with the session, or a kill -9 in between would leave one that is nobody's.
        let mut calls = Vec::from([
            command.end(new.and(size)),
            set("@skep-key", &self.key),
            call(["set-option", "-t", target, "@skep-site"]).and([self.place.clone().into()]),
            set("@skep-counts", ""),
            set("status-left", "[#{session_name}] "),
            set("status-left-length", "80"),
            set("status-right", "#{@skep-counts}"),
            set("status-right-length", "80"),
            // What it shows is set when it changes.
            set("status-interval", "0"),
            set("destroy-unattached", "off"),
        ]);
        calls.extend(self.dress("workers"));
        self.tmux.call(&calls)
    }

    fn window(&self, panes: &[Pane], command: &PaneCommand) -> Result<String, TmuxError> {
        let taken = |name: &String| panes.iter().any(|pane| pane.window_name == *name);
        let mut names = (2..).map(|n| format!("workers-{n}"));
        let name = names.find(|name| !taken(name)).unwrap_or_default();
        let target = self.target();
        let new = [
            "new-window",
            "-d",
            "-P",
            "-F",
            NEW,
            "-t",
            &target,
            "-n",
            &name,
        ];
        let mut calls = Vec::from([command.end(call(new))]);
        calls.extend(self.dress(&name));
        self.tmux.call(&calls)
    }

    fn split(&self, window: &str, command: &PaneCommand) -> Result<String, TmuxError> {
        let new = call(["split-window", "-d", "-P", "-F", NEW, "-t", window]);
        self.tmux.call(&[command.end(new)])
    }

    /// How a window of panes looks: each with its title, and kept when its process has ended.
    fn dress(&self, window: &str) -> [Call; 4] {
        let target = format!("={}:={window}", self.name);
        let set = |option, value| call(["set-option", "-q", "-w", "-t", &target, option, value]);
        [
            set("remain-on-exit", "on"),
            // Not in every version; without it tmux says in its own words that the process has ended.
            set("remain-on-exit-format", ""),
            set("pane-border-status", "top"),
            set("pane-border-format", " #{pane_title} "),
        ]
    }

    /// Runs something else in a pane whose process has ended. Gives its process.
    ///
    /// # Errors
    /// When tmux refuses, above all because something still runs there: nothing is ever ended for this.
    pub fn reuse(&self, pane: &str, command: &PaneCommand) -> Result<u32, TmuxError> {
        let made = self.tmux.call(&[
            command.end(call(["respawn-pane", "-t", pane])),
            call(["display-message", "-p", "-t", pane, NEW]),
        ])?;
        new_pane(&made).map(|(_, pid)| pid)
    }

    /// Sets what panes are called and which attempt they show, and the counts in the status line.
    ///
    /// # Errors
    /// When tmux refuses, as it does when one of the panes is gone.
    pub fn label(
        &self,
        titles: &[(&str, String)],
        shown: &[(&str, u64)],
        counts: Option<&str>,
    ) -> Result<(), TmuxError> {
        let mut calls = Vec::new();
        for (pane, attempt) in shown {
            let attempt = attempt.to_string();
            calls.push(call([
                "set-option",
                "-p",
                "-t",
                pane,
                "@skep-shown",
                &attempt,
            ]));
        }
        for (pane, title) in titles {
            calls.push(call([
                "set-option",
                "-p",
                "-t",
                pane,
                "@skep-title",
                &plain(title),
            ]));
            calls.push(call(["select-pane", "-t", pane, "-T", "#{@skep-title}"]));
        }
        if let Some(counts) = counts {
            let counts = plain(counts);
            calls.push(call([
                "set-option",
                "-t",
                &self.target(),
                "@skep-counts",
                &counts,
            ]));
        }
        if calls.is_empty() {
            return Ok(());
        }
        self.tmux.call(&calls).map(drop)
    }

    /// Takes a worker's pane away.
    ///
    /// # Errors
    /// When tmux does not answer.
    pub fn close(&self, pane: &str, worker: WorkerId) -> Result<(), TmuxError> {
        // Asked by the server in the same breath: after a restart of it the number may be another pane's.
        let still = format!(
            "#{{==:#{{@skep-key}} #{{@skep-worker}},{} {worker}}}",
            self.key
        );
        let kill = format!("kill-pane -t {pane}");
        let closed = self
            .tmux
            .call(&[call(["if-shell", "-F", "-t", pane, &still, &kill])]);
        closed.map(drop).or_else(unless_absent)
    }

    /// The server's socket.
    ///
    /// # Errors
    /// When tmux does not answer, or there is no such session.
    pub fn socket(&self) -> Result<String, TmuxError> {
        let asked = [
            "display-message",
            "-p",
            "-t",
            &self.target(),
            "#{socket_path}",
        ];
        let said = self.tmux.call(&[call(asked)])?;
        Ok(said.trim_end_matches('\n').into())
    }

    /// How many people are attached.
    ///
    /// # Errors
    /// When tmux does not answer.
    pub fn viewers(&self) -> Result<usize, TmuxError> {
        let asked = [
            "list-clients",
            "-t",
            &self.target(),
            "-F",
            "#{client_control_mode}",
        ];
        match self.tmux.call(&[call(asked)]) {
            Ok(listed) => Ok(listed.lines().filter(|line| line.trim() == "0").count()),
            Err(error) if is_absent(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Whether the session is to end with its last viewer.
    ///
    /// # Errors
    /// When tmux does not answer.
    pub fn end_unwatched(&self, ends: bool) -> Result<(), TmuxError> {
        let ends = if ends { "on" } else { "off" };
        let set = [
            "set-option",
            "-t",
            &self.target(),
            "destroy-unattached",
            ends,
        ];
        self.tmux
            .call(&[call(set)])
            .map(drop)
            .or_else(unless_absent)
    }

    /// Ends the session with everything in it.
    ///
    /// # Errors
    /// When tmux does not answer.
    pub fn end(&self) -> Result<(), TmuxError> {
        let ours = format!("#{{==:#{{@skep-key}},{}}}", self.key);
        let kill = format!("kill-session -t ={}", self.name);
        let target = self.target();
        let ended = self
            .tmux
            .call(&[call(["if-shell", "-F", "-t", &target, &ours, &kill])]);
        ended.map(drop).or_else(unless_absent)
    }

    /// Makes a worker's pane the one that is in front.
    ///
    /// # Errors
    /// When tmux does not answer, or the pane is gone.
    pub fn select(&self, pane: &str) -> Result<(), TmuxError> {
        let calls = [
            call(["select-window", "-t", pane]),
            call(["select-pane", "-t", pane]),
        ];
        self.tmux.call(&calls).map(drop)
    }
}

fn pane(line: &str) -> Option<Pane> {
    let mut words = line.splitn(7, ' ');
    let (window, id, pid, dead) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (worker, shown, window_name) = (words.next()?, words.next()?, words.next()?);
    Some(Pane {
        id: id.into(),
        worker: worker.parse().ok(),
        pid: pid.parse().unwrap_or(0),
        dead: dead == "1",
        shown: shown.parse().ok(),
        window: window.into(),
        window_name: window_name.into(),
    })
}

fn new_pane(said: &str) -> Result<(String, u32), TmuxError> {
    let words = said.trim().split_once(' ');
    let found = words.and_then(|(id, pid)| Some((id.to_string(), pid.parse().ok()?)));
    found
        .filter(|(id, _)| id.starts_with('%'))
        .ok_or_else(|| TmuxError::Refused {
            what: "making a pane".into(),
            said: format!("expected a pane and its process, found {said:?}"),
        })
}

/// A window of workers' panes with room for one more.
fn roomy(panes: &[Pane]) -> Option<&str> {
    let holds = |window: &str| panes.iter().filter(|p| p.window == window).count();
    let mut ours = panes.iter().filter(|p| p.worker.is_some());
    ours.find(|p| holds(&p.window) < IN_A_WINDOW)
        .map(|p| &*p.window)
}

/// Whether tmux says no because there is no such session, no such pane, or no server.
fn is_absent(error: &TmuxError) -> bool {
    let TmuxError::Refused { said, .. } = error else {
        return false;
    };
    [
        "can't find",
        // In the middle of ending.
        "no current",
        "no server running",
        "error connecting to",
        "no sessions",
        "lost server",
        "server exited",
    ]
    .iter()
    .any(|no| said.starts_with(no))
}

fn unless_absent(error: TmuxError) -> Result<(), TmuxError> {
    if is_absent(&error) {
        Ok(())
    } else {
        Err(error)
    }
}

/// A text that is the same however often tmux, or somebody's settings, expand it.
fn plain(text: &str) -> String {
    const LONGEST: usize = 100;
    let harmless = |c: char| if c == '#' || c.is_control() { '_' } else { c };
    text.chars().take(LONGEST).map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: W-2
    #[test]
    fn names_and_titles_are_safe_for_tmux() {
        let name = |text: &str| Session::name_of(&text.parse().unwrap());
        assert_eq!(name("two"), "skep-two");
        assert_eq!(name("v1.2-x_y"), "skep-v1_2-x_y");
        assert_eq!(
            plain("w1 c#(touch x)\n\x1b[2J: a"),
            "w1 c_(touch x)__[2J: a"
        );
        assert_eq!(plain(&"é".repeat(500)).chars().count(), 100);
    }

    #[test]
    fn panes_fill_a_window_and_then_the_next() {
        let pane = |id: usize, window: &str, worker: u32| Pane {
            id: format!("%{id}"),
            worker: (worker > 0).then_some(WorkerId(worker)),
            pid: 1,
            dead: false,
            shown: None,
            window: window.into(),
            window_name: "workers".into(),
        };
        let mut panes: Vec<Pane> = (1..=5).map(|n| pane(n, "@1", n as u32)).collect();
        assert_eq!(roomy(&panes), Some("@1"));
        // A person's pane takes room; a person's window is left alone.
        panes.push(pane(6, "@1", 0));
        panes.push(pane(7, "@2", 0));
        assert_eq!(roomy(&panes), None);
    }
}
