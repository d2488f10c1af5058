//! Processes of runs whose folders are gone: no keeper and no sweep finds them, since both begin at a folder.

use super::{Litter, Scene};
use crate::{
    run::{self, COOKIE, Look, cookie, procfs},
    site::Site,
};
use rustix::process::{Signal, pidfd_send_signal};
use std::{
    collections::HashSet,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long the killed get to be gone.
const GONE: Duration = Duration::from_secs(10);

pub(super) fn find(scene: &Scene<'_>) -> Vec<Litter> {
    let found = homeless(scene.site, scene.keeper);
    let site = scene.site.clone();
    let keeper = scene.keeper;
    if found.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> = found.iter().map(|id| describe(id.pid)).collect();
    lines.sort();
    let what = lines.join("; ");
    let why = "the folder of the run they belong to is gone";
    vec![Litter::new("processes", what, why, move || {
        end(&site, keeper)
    })]
}

fn describe(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = line
        .split(|b| *b == 0)
        .map(String::from_utf8_lossy)
        .collect();
    let line: String = words.join(" ").chars().take(80).collect();
    format!("{pid} ({})", line.trim())
}

/// Shims of this site without a run, and processes with this site's environment and no run either.
fn homeless(site: &Site, keeper: bool) -> Vec<procfs::ProcessId> {
    let all = procfs::all();
    let folders: Vec<PathBuf> = fs::read_dir(site.runs())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let mut at_home: HashSet<i32> = HashSet::new();
    let mut cookies = HashSet::new();
    for folder in &folders {
        // Whoever carries the cookie of a folder that is there is found by way of it.
        cookies.extend(cookie(folder).map(|c| format!("{COOKIE}={c}").into_bytes()));
        if let Look::Running(running) = run::look(folder) {
            at_home.extend(i32::try_from(running.pid()));
        }
    }
    // What a shim that is at home started belongs to it, and so does whoever asks from inside an agent.
    let below = procfs::descendants(&all, |p| at_home.contains(&p.id.pid));
    at_home.extend(below.iter().map(|p| p.id.pid));
    let mut me = i32::try_from(std::process::id()).unwrap_or_default();
    while me > 1 && at_home.insert(me) {
        me = all.iter().find(|p| p.id.pid == me).map_or(0, |p| p.parent);
    }
    let repo = [b"SKEP_REPO=", site.root().as_os_str().as_bytes()].concat();
    let lost = |pid: i32| match shim_of(pid, &site.runs()) {
        // A shim that a living keeper has just started has a folder, and no lock yet.
        Some(folder) => {
            !folder.exists() || !(keeper || matches!(run::look(&folder), Look::NotStarted))
        }
        None => {
            let env = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let vars: Vec<&[u8]> = env.split(|b| *b == 0).collect();
            let cookie = vars.iter().find(|var| var.starts_with(b"SKEP_RUN="));
            vars.contains(&&repo[..]) && cookie.is_some_and(|c| !cookies.contains(*c))
        }
    };
    all.iter()
        .filter(|p| !p.zombie && p.id.pid > 1 && !at_home.contains(&p.id.pid))
        .filter(|p| lost(p.id.pid))
        .map(|p| p.id)
        .collect()
}

/// The run's folder, if the process is a shim (or its holder) of a run below `runs`.
fn shim_of(pid: i32, runs: &Path) -> Option<PathBuf> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|b| *b == 0).skip(1);
    let folder = (words.next()? == b"shim").then(|| words.next())??;
    let folder = Path::new(std::ffi::OsStr::from_bytes(folder));
    folder.starts_with(runs).then(|| folder.to_path_buf())
}

/// Ends them and everything below them, as often as it takes.
fn end(site: &Site, keeper: bool) -> Result<(), String> {
    let deadline = Instant::now() + GONE;
    loop {
        let found = homeless(site, keeper);
        if found.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("{} processes do not end", found.len()));
        }
        let all = procfs::all();
        let below = procfs::descendants(&all, |p| found.contains(&p.id));
        for id in found.iter().copied().chain(below.iter().map(|p| p.id)) {
            // By descriptor: a number may have passed to a stranger since it was looked at.
            if let Some(fd) = procfs::hold(id) {
                let _ = pidfd_send_signal(&fd, Signal::KILL);
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
