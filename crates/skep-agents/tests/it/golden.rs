//! Golden observations: for every recorded transcript, what is seen in it, what is said to the agent, and how its
//! end is judged. `SKEP_BLESS=1 cargo test -p skep-agents` writes `tests/golden` anew.

use crate::replay::{Step, Transcript, all, tests};
use skep_agents::{Before, Dialogue, Seen, verdict};
use std::{fmt::Write, fs};

// proves: X-1, X-1a, X-2
#[test]
fn every_recorded_transcript_is_seen_as_it_was() {
    let bless = std::env::var_os("SKEP_BLESS").is_some();
    let transcripts = all();
    assert!(transcripts.len() > 150, "{} transcripts", transcripts.len());
    let mut wrong = Vec::new();
    for transcript in transcripts {
        let told = tell(&transcript);
        let folder = tests().join("golden").join(transcript.cli);
        let file = folder.join(format!("{}.txt", transcript.name));
        if bless {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, told).unwrap();
        } else if fs::read_to_string(&file).unwrap_or_default() != told {
            wrong.push(format!("{}:\n{told}", file.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "SKEP_BLESS=1 rewrites these:\n{}",
        wrong.join("\n")
    );
}

/// The story of a transcript.
fn tell(transcript: &Transcript) -> String {
    let mut told = String::new();
    let mut dialogue = transcript.dialogue();
    say(&mut told, &mut dialogue);
    for step in transcript.steps() {
        match step {
            Step::Printed(text) => see(&mut told, &dialogue.read(text.as_bytes())),
            Step::Told(what) => match dialogue.say(&what) {
                Ok(seen) => see(&mut told, &seen),
                Err(no) => writeln!(told, "! {what:?}: {no}").unwrap(),
            },
        }
        say(&mut told, &mut dialogue);
    }
    see(&mut told, &dialogue.end());
    say(&mut told, &mut dialogue);
    let exit = transcript.exit(&dialogue);
    let summary = dialogue.summary();
    writeln!(told, "exit {:?}", exit.end).unwrap();
    if let Some(why) = &exit.by_us {
        writeln!(told, "ended by us: {why:?}").unwrap();
    }
    writeln!(told, "verdict {:#?}", verdict(summary, &exit)).unwrap();
    writeln!(told, "used {:?}", summary.usage(Before::Nothing)).unwrap();
    told
}

fn see(told: &mut String, seen: &[Seen]) {
    for one in seen {
        if matches!(one, Seen::Progress | Seen::Writing) {
            // Only that there is any: how many depends on how a vendor streams.
            let line = format!("{one:?}\n");
            if !told.ends_with(&line) {
                told.push_str(&line);
            }
        } else {
            writeln!(told, "{one:?}").unwrap();
        }
    }
}

fn say(told: &mut String, dialogue: &mut Dialogue) {
    let bytes = dialogue.to_write();
    // Only a dialogue writes; to those that were recorded in one direction it would have.
    for line in String::from_utf8(bytes).unwrap().lines() {
        let version = concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\"");
        let line = line.replace(version, "\"version\":\"...\"");
        writeln!(told, "> {line}").unwrap();
    }
}
