//! A run on a real terminal that is only forty columns wide.

use crate::Sandbox;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

const PLAN: &str = r#"
[swarm]
name = "narrow"
workers = 1
check = "test -f a.txt"
[[task]]
id = "a"
mission = "Make a."
command = "echo a > a.txt"
[[task]]
id = "b"
mission = "Fail at length."
command = "echo b; exit 3"
depends_on = ["a"]
max_retries = 0
"#;

const WIDE: u16 = 40;

/// What a person sees who runs this, and how it ended.
pub(crate) fn seen(mut command: Command) -> (String, i32) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: WIDE,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&ours, size).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let theirs = OwnedFd::from(theirs);
    command.stdout(Stdio::from(theirs.try_clone().unwrap()));
    let mut child = command.stderr(Stdio::from(theirs)).spawn().unwrap();
    // The command holds the other end too, and reading ends when nobody does.
    drop(command);
    let mut bytes = Vec::new();
    // A terminal whose other end is closed says EIO, not the end.
    let _ = File::from(ours).read_to_end(&mut bytes);
    let code = child.wait().unwrap().code().unwrap_or(-1);
    (String::from_utf8(bytes).unwrap(), code)
}

/// The text without colours and moves of the cursor.
fn plain(text: &str) -> String {
    let text = text.replace('\r', "");
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |all, part| {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        all + &part[end.map_or(part.len(), |n| n + 1)..]
    })
}

/// No line is wider than the terminal, which would break it wherever it stands; a single word, such as a path
/// or a commit, may be.
#[track_caller]
fn fits(text: &str) {
    for line in text.lines() {
        let wide = line.chars().count() > usize::from(WIDE);
        assert!(!wide || !line.trim().contains(' '), "{line:?} of\n{text}");
    }
}

// proves: U-12, U-1
#[test]
fn no_word_is_broken_and_no_wave_is_shown_that_is_not_there() {
    let sandbox = Sandbox::new();
    let merges = PLAN.replace("exit 3", "echo b > b.txt");
    for (plan, ends) in [(merges.as_str(), 0), (PLAN, 1)] {
        // Another file each time, so that there is something to do.
        sandbox.write(
            "plan.toml",
            &plan.replace("> a.txt", &format!("{ends} > a.txt")),
        );
        let mut command = sandbox.command(&["run", "plan.toml"]);
        command.env("TERM", "xterm");
        let (text, code) = seen(command);
        let text = plain(&text);
        assert_eq!(code, ends, "{text}");
        fits(&text);
        // Every block that was drawn names a wave that the plan has.
        let waves = text.split("wave ").skip(1);
        let drawn = waves.filter_map(|rest| rest.split_once(" of ")?.0.parse::<u32>().ok());
        let drawn: Vec<u32> = drawn.collect();
        assert!(drawn.contains(&2), "{text}");
        assert!(drawn.iter().all(|w| *w <= 2), "{text}");
    }
    for args in [
        &["status"][..],
        &["doctor"],
        &["why", "nothing"],
        &["tasks", "show", "b"],
    ] {
        fits(&plain(&seen(sandbox.command(args)).0));
    }
}
