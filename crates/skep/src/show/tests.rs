//! How a run looks, at several widths, as snapshots.

use super::{forecast::Forecast, line, live, progress, status, summary::Summary};
use crate::{failure::Exit, term};
use skep_core::{
    engine::Engine,
    event::By,
    forecast::Meeting,
    id::{Attempt, Oid, WorkerId},
    request::{Command, Observation, Request, What},
    spec::Plan,
    state::State,
    time::Time,
};
use skep_server::{
    api::{ConcernList, Live, RecordDoc, Status, TaskList, WorkerList},
    plan::{self, Format, Options},
};
use std::fmt::Write as _;

const PLAN: &str = r#"
[swarm]
name = "modernise"
workers = 2
[[task]]
id = "schema"
mission = "Add the sessions table."
command = "true"
[[task]]
id = "a-task-with-a-name-that-is-rather-long"
mission = "Try to drive the terminal."
command = "true"
[[task]]
id = "login"
mission = "Use it."
command = "true"
depends_on = ["schema"]
"#;

fn plan() -> Plan {
    let options = Options {
        default_name: "x".parse().unwrap(),
        default_agent: "shell".into(),
    };
    plan::read("plan.toml", PLAN, Some(Format::Toml), &options).unwrap()
}

fn oid(n: u8) -> Oid {
    format!("{n:040x}").parse().unwrap()
}

/// A run so far: what was said of it, and the state it came to.
struct Story {
    engine: Engine,
    now: u64,
    /// How wide the terminal is that it is told on.
    wide: Option<usize>,
    said: String,
}

impl Story {
    fn begin(wide: Option<usize>) -> Story {
        let mut story = Story::planned(wide);
        for worker in [1, 2].map(WorkerId) {
            let turn = story.engine.state().worker(worker).unwrap().turn;
            story.see(Observation::WorkerReady {
                worker,
                base: oid(1),
                turn,
            });
        }
        story
    }

    fn planned(wide: Option<usize>) -> Story {
        let mut story = Story {
            engine: Engine::new(State::default()),
            now: 1_000_000,
            wide,
            said: String::new(),
        };
        story.tell(What::Command(Command::LoadPlan {
            plan: Box::new(plan()),
            digest: "d".into(),
            target: "main".into(),
            base: oid(1),
            kept: false,
            again: false,
        }));
        story
    }

    fn tell(&mut self, what: What) {
        self.now += 7_000;
        let request = Request {
            key: None,
            trace: "t".into(),
            by: By::Host,
            what,
        };
        let before = self.engine.state().clone();
        self.engine.decide(Time(self.now), &request).unwrap();
        let mut state = before;
        for record in self.engine.committed() {
            state.apply(&record);
            for line in line::lines(&record, &state) {
                self.said += &progress::permanent(&line, record.at.0 - 1_007_000, self.wide, false);
            }
        }
    }

    fn see(&mut self, observation: Observation) {
        self.tell(What::Observation(observation));
    }

    fn state(&self) -> &State {
        self.engine.state()
    }
}

fn underway() -> Story {
    underway_on(None)
}

fn underway_on(wide: Option<usize>) -> Story {
    let mut story = Story::begin(wide);
    for attempt in [1, 2].map(Attempt) {
        story.see(Observation::Started { attempt });
    }
    story.see(Observation::AgentEnded {
        attempt: Attempt(2),
    });
    story
}

// proves: U-1
#[test]
fn the_block_fits_every_width_and_says_the_same() {
    let story = underway();
    let mut all = String::new();
    for wide in [20, 40, 80, 120] {
        let lines = live::block(story.state(), Time(story.now + 3_000), wide, 24, false);
        for line in &lines {
            assert!(term::width(line) < wide, "{wide}: {line:?}");
        }
        let _ = writeln!(all, "{wide} columns\n{}\n", lines.join("\n"));
    }
    insta::assert_snapshot!(all);
}

// proves: U-1, L-4a
#[test]
fn the_block_says_that_worktrees_are_being_made_ready() {
    let story = Story::planned(None);
    let lines = live::block(story.state(), Time(story.now), 80, 24, false);
    assert!(
        lines.contains(&"  making 2 worktrees ready".into()),
        "{lines:#?}"
    );
}

/// With nothing left to do, the wave that is shown is the last that there was.
#[test]
fn no_wave_is_shown_that_is_not_there() {
    let mut story = underway();
    for task in ["schema", "a-task-with-a-name-that-is-rather-long", "login"] {
        story.tell(What::Command(Command::CancelTask {
            task: task.parse().unwrap(),
        }));
    }
    let state = story.state();
    let head = &live::block(state, Time(story.now), 120, 24, false)[0];
    let shown = Status::of(state, Time(story.now), &Live::new());
    assert_eq!(
        shown.waves.iter().map(|w| w.id).max(),
        Some(state.last_wave())
    );
    assert!(
        head.contains(&format!("wave {} of {}", shown.wave, state.last_wave())),
        "{head}"
    );
    assert!(shown.wave <= state.last_wave());
}

#[test]
fn colour_only_repeats_what_the_words_say() {
    let story = underway();
    let plain = live::block(story.state(), Time(story.now), 80, 24, false).join("\n");
    let mut coloured = live::block(story.state(), Time(story.now), 80, 24, true).join("\n");
    assert_ne!(plain, coloured);
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[32m"] {
        coloured = coloured.replace(code, "");
    }
    assert_eq!(plain, coloured);
}

/// A run in which things go wrong.
fn mishaps(wide: Option<usize>) -> Story {
    let mut story = underway_on(wide);
    story.see(Observation::Lost {
        attempt: Attempt(1),
        reason: "its shim \x1b[2J died".into(),
        saved: skep_core::attempt::Saved::Nothing,
    });
    story.tell(What::Command(Command::CancelTask {
        task: "login".parse().unwrap(),
    }));
    story.tell(What::Command(Command::Pause));
    story
}

// proves: U-12
#[test]
fn a_narrow_terminal_gets_whole_words() {
    let (narrow, whole) = (mishaps(Some(40)).said, mishaps(None).said);
    for line in narrow.lines() {
        assert!(
            term::width(line) <= 40 || !line.trim().contains(' '),
            "{line:?}"
        );
    }
    let words = |text: &str| {
        text.split_whitespace()
            .map(String::from)
            .collect::<Vec<_>>()
    };
    assert_eq!(words(&narrow), words(&whole));
    insta::assert_snapshot!(narrow);
}

// The agent's end is seen before anybody knows whether it ended by itself.
#[test]
fn nobody_says_of_a_killed_agent_that_it_is_done() {
    let mut story = Story::begin(None);
    let attempt = Attempt(1);
    story.see(Observation::Started { attempt });
    story.tell(What::Command(Command::CancelTask {
        task: "schema".parse().unwrap(),
    }));
    story.see(Observation::AgentEnded { attempt });
    assert!(
        story
            .said
            .contains("the agent is ended; its work is being saved"),
        "{}",
        story.said
    );
    assert!(!story.said.contains("done"), "{}", story.said);
}

#[test]
fn a_run_is_told_in_lines() {
    let story = mishaps(None);
    assert!(
        !story.said.contains('\x1b'),
        "what comes from outside is escaped"
    );
    insta::assert_snapshot!(story.said);
}

#[test]
fn tables_and_summaries_read_well() {
    let mut story = underway();
    story.tell(What::Command(Command::CancelTask {
        task: "login".parse().unwrap(),
    }));
    let now = Time(story.now + 3_000);
    let look = status::Look {
        color: false,
        width: Some(80),
        now,
    };
    let narrow = status::Look {
        width: Some(40),
        ..look
    };
    let state = story.state();
    let shown = [
        status::status(
            &Status::of(state, now, &Live::new()),
            &ConcernList::of(state, now, None),
            look,
        ),
        status::tasks(&TaskList::of(state, now), look),
        status::tasks(&TaskList::of(state, now), narrow),
        Summary::of(state, Exit::Unfinished, None, now)
            .unwrap()
            .render(look),
        Forecast::of(&plan()).render(Some(80), false),
    ];
    insta::assert_snapshot!(shown.join("\n----\n"));
}

// proves: W-9
#[test]
fn a_collision_is_one_line_at_every_width_and_one_in_the_status() {
    let mut story = underway();
    let live: Vec<Attempt> = story.engine.state().live().map(|l| l.attempt).collect();
    let [ours, theirs] = live[..] else {
        panic!("two attempts are at work");
    };
    let both = |file: &str| (file.into(), "both sides changed the same lines".into());
    story.see(Observation::Forecast {
        mark: 1,
        met: vec![Meeting {
            ours,
            theirs: Some(theirs),
            files: vec![both("src/auth.rs"), both("src/lib.rs")],
        }],
        cut: false,
    });
    let now = Time(story.now);
    let state = story.engine.state();
    for wide in [20, 40, 80, 200] {
        let block = live::block(state, now, wide, 24, false);
        assert!(
            block.iter().all(|line| term::width(line) < wide),
            "{block:#?}"
        );
        let of_it = |line: &&String| line.starts_with("  w1 (");
        assert_eq!(block.iter().filter(of_it).count(), 1, "{block:#?}");
    }
    let whole = live::block(state, now, 200, 24, false).join("\n");
    assert!(
        whole.contains("are on a collision course in src/auth.rs and 1 more file"),
        "{whole}"
    );
    assert!(
        story.said.contains("on a collision course in src/auth.rs"),
        "{}",
        story.said
    );
    let status = Status::of(state, now, &Live::default());
    let look = status::Look {
        color: false,
        width: None,
        now,
    };
    let text = status::status(&status, &ConcernList::of(state, now, None), look);
    assert_eq!(text.matches("on a collision course").count(), 1, "{text}");
    assert!(
        text.contains("src/auth.rs and 1 more file: both sides"),
        "{text}"
    );
}

// proves: G-6
#[test]
fn how_workers_did_so_far_is_shown_where_there_is_room() {
    let told = Story::begin(None);
    let look = |width| status::Look {
        color: false,
        width: Some(width),
        now: Time(told.now),
    };
    let mut list = WorkerList::of(told.engine.state(), Time(told.now), &Live::new());
    list.workers[0].record = Some(RecordDoc {
        what: "worker".into(),
        name: "w1".into(),
        succeeded: 3,
        failed: 1,
        success_percent: Some(75),
        p50_ms: None,
        p95_ms: None,
        usd_per_accepted: Some(0.25),
        breach: None,
    });
    let wide = status::workers(&list, look(120));
    let lines: Vec<Vec<&str>> = wide
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert!(
        lines[0].ends_with(&["ATTEMPTS", "SUCCESS", "PER", "SUCCESS", "WHY"]),
        "{wide}"
    );
    assert!(
        lines[1].windows(4).any(|w| w == ["4", "75", "%", "$0.25"]),
        "{wide}"
    );
    assert!(lines[2].windows(3).any(|w| w == ["0", "-", "-"]), "{wide}");
    assert!(!status::workers(&list, look(119)).contains("SUCCESS"));
}
