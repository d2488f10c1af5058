//! Every pane at several sizes, as snapshots; and keys and sizes of every kind, for what must never happen.

use super::{
    data::{Detail, Link, Log, News},
    draw::draw,
    keys::HELP,
    pane::Pane,
    view::{Effect, Mode, View},
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend, style::Color};
use serde_json::{Value, json};
use skep_core::{
    event::{By, Event, Record},
    state::State,
    time::Time,
};
use skep_server::{
    api::{
        self, AskList, CommandDoc, ConcernList, CostsDoc, Status, TaskDetail, TaskList, Unattended,
        WhyDoc,
    },
    plan::{self, Format, Options},
};

const BASE: &str = "0123456789012345678901234567890123456789";
const BEGAN: u64 = 1_700_000_000_000;
const NOW: Time = Time(BEGAN + 754_000);

const PLAN: &str = r#"
[swarm]
name = "modernise"
[policy.budget]
usd = 5.0
[[task]]
id = "schema"
mission = "Add the sessions table."
command = "true"
[[task]]
id = "a-task-with-a-name-that-is-rather-long"
mission = "Try to drive the terminal."
command = "true"
[[task]]
id = "docs"
mission = "Say what changed."
command = "true"
[[task]]
id = "login"
mission = "Use it."
command = "true"
depends_on = ["schema"]
"#;

fn state(events: &[Value]) -> State {
    let mut state = State::default();
    for (event, seq) in events.iter().zip(1..) {
        let event: Event = serde_json::from_value(event.clone()).unwrap();
        state.apply(&Record {
            seq,
            at: Time(BEGAN + seq * 1000),
            trace: "t".into(),
            by: By::Policy,
            key: None,
            event,
        });
    }
    state
}

fn begun() -> Vec<Value> {
    let options = Options {
        default_name: "x".parse().unwrap(),
        default_agent: "shell".into(),
    };
    let plan = plan::read("plan.toml", PLAN, Some(Format::Toml), &options).unwrap();
    let plan = serde_json::to_value(&plan).unwrap();
    let add = |w: &str| json!({ "type": "worker_added", "worker": w, "role": null });
    let ready = |w: &str| json!({ "type": "worker_ready", "worker": w, "base": BASE });
    vec![
        json!({ "type": "plan_loaded", "plan": plan, "digest": "d", "target": "main", "base": BASE }),
        json!({ "type": "tasks_ready",
            "tasks": ["schema", "a-task-with-a-name-that-is-rather-long", "docs"] }),
        add("w1"),
        add("w2"),
        add("w3"),
        ready("w1"),
        ready("w2"),
        ready("w3"),
    ]
}

fn claimed(attempt: u64, task: &str, worker: &str) -> Value {
    json!({ "type": "claimed", "attempt": attempt, "task": task, "worker": worker, "agent": "claude",
        "model": "sonnet", "base": BASE, "give_up": BEGAN + 9_000_000 })
}

/// One asks, one has failed and wants to drive the terminal, one has crashed, and money was spent.
fn busy() -> State {
    let mut events = begun();
    let started = |attempt: u64| json!({ "type": "attempt_started", "attempt": attempt });
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7} it said\u{202e} \u{9b}31m";
    events.extend([
        claimed(1, "schema", "w1"),
        started(1),
        claimed(2, "a-task-with-a-name-that-is-rather-long", "w2"),
        started(2),
        json!({ "type": "metered", "attempt": 1, "task": "schema",
            "charge": { "usage": { "input_tokens": 50_000, "output_tokens": 2_000 }, "usd": 4_800_000, "basis": "agent" } }),
        json!({ "type": "attempt_ended", "task": "a-task-with-a-name-that-is-rather-long", "worker": "w2",
            "failure": { "attempt": 2, "outcome": "failed", "model": "sonnet", "reason": hostile, "output": hostile },
            "next": "flag", "worker_next": "go_on", "spawn_failed": false, "salvage": null }),
        json!({ "type": "worker_failed", "worker": "w3", "reason": "no room", "not_before": NOW.0 + 8000 }),
        json!({ "type": "asked", "attempt": 1, "question": { "number": 1, "tool": null,
            "text": "Which database is it to be, given that\nsessions are few and short?",
            "options": ["pg", "sqlite"] } }),
    ]);
    state(&events)
}

/// A worker that takes no more tasks after the one that it is at.
fn paused_at_work() -> State {
    let mut events = begun();
    events.push(claimed(1, "schema", "w1"));
    events.push(json!({ "type": "worker_paused", "worker": "w1" }));
    state(&events)
}

fn halted() -> State {
    let mut events = begun();
    events.push(
        json!({ "type": "swarm_halted", "reason": "every worker crashed 3 times in a row",
        "probe_at": null }),
    );
    state(&events)
}

/// A view that was told everything there is.
fn seen(state: &State, link: Link) -> View {
    let mut view = View::new(NOW);
    let live = api::measured(state, NOW);
    let log = Unattended {
        state: state.clone(),
        ..Unattended::default()
    };
    let unkept = link == Link::Unkept;
    view.news(News::Link(link), NOW);
    let (status, concerns) = match unkept {
        true => (log.status(NOW), log.concerns(NOW)),
        false => (
            Status::of(state, NOW, &live),
            ConcernList::of(state, NOW, None),
        ),
    };
    for news in [
        News::Status(Box::new(status)),
        News::Concerns(concerns),
        News::Tasks(TaskList::of(state, NOW)),
        News::Asks(AskList::of(state)),
        News::Costs(Box::new(CostsDoc::of(state, NOW, view.by))),
        News::Log(Log {
            attempt: 1,
            lines: (1..60)
                .map(|n| format!("line {n} of what it printed, which is longer than forty columns"))
                .collect(),
            ended: false,
        }),
    ] {
        view.news(news, NOW);
    }
    view
}

fn tell_detail(view: &mut View, state: &State, name: &str) {
    let task = name.parse().ok().and_then(|id| state.task(&id));
    let detail = Detail {
        name: name.into(),
        why: WhyDoc::of(state, name, NOW),
        task: task.map(|task| TaskDetail::of(state, task, NOW)),
    };
    view.news(News::Detail(Box::new(detail)), NOW);
}

/// The screen as text.
fn picture(view: &View, (wide, high): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(wide, high)).unwrap();
    let draws = |frame: &mut ratatui::Frame<'_>| draw(view, true, frame.area(), frame.buffer_mut());
    terminal.draw(draws).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y: u16| {
        let cells: String = (0..wide).map(|x| buffer[(x, y)].symbol()).collect();
        cells.trim_end().to_string()
    };
    let lines: Vec<String> = (0..high).map(line).collect();
    lines.join("\n")
}

fn press(view: &mut View, keys: &str) -> Option<Effect> {
    let mut last = None;
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            c => KeyCode::Char(c),
        };
        last = view.key(KeyEvent::new(code, KeyModifiers::NONE), NOW);
    }
    last
}

const SIZES: [(u16, u16); 3] = [(40, 12), (80, 24), (200, 50)];

/// Pictures one below the other, without the empty lines of large ones.
fn album(pictures: impl IntoIterator<Item = (String, String)>) -> String {
    let one = |(title, text): (String, String)| {
        let mut lines: Vec<&str> = Vec::new();
        for line in text.lines() {
            if !(line.is_empty() && lines.last().is_some_and(|last| last.is_empty())) {
                lines.push(line);
            }
        }
        format!("=== {title}\n{}\n", lines.join("\n"))
    };
    pictures.into_iter().map(one).collect()
}

// proves: U-4, U-12
#[test]
fn every_pane_at_every_size() {
    let state = busy();
    for size in SIZES {
        let mut view = seen(&state, Link::Kept);
        let panes = Pane::ALL.map(|pane| {
            view.show(pane);
            (pane.title().to_string(), picture(&view, size))
        });
        insta::assert_snapshot!(format!("panes_{}x{}", size.0, size.1), album(panes));
    }
}

// proves: U-4
#[test]
fn what_keys_open() {
    let state = busy();
    for size in [SIZES[0], SIZES[1]] {
        let mut all = Vec::new();
        for (title, keys) in [
            ("help", "?"),
            ("why a worker", "d"),
            ("why a task", "2jd"),
            ("confirm a retry", "2jr"),
            ("confirm a cancel", "2x"),
            ("answer", "3\npq"),
            ("mend", "p\n"),
            ("filter", "2/doc"),
            ("filtered", "2/doc\n"),
            ("filtered to nothing", "2/nope\n"),
        ] {
            let mut view = seen(&state, Link::Kept);
            press(&mut view, keys);
            if let Mode::Detail(name) = &view.mode {
                let name = name.clone();
                tell_detail(&mut view, &state, &name);
            }
            all.push((title.to_string(), picture(&view, size)));
        }
        insta::assert_snapshot!(format!("opened_{}x{}", size.0, size.1), album(all));
    }
}

// proves: U-4
#[test]
fn a_swarm_that_is_empty_halted_or_unkept() {
    let looking = View::new(NOW);
    let mut lost = seen(&busy(), Link::Trouble("the keeper does not answer".into()));
    lost.show(Pane::Problems);
    let mut unkept = seen(&busy(), Link::Unkept);
    unkept.show(Pane::Problems);
    let mut halted = seen(&halted(), Link::Kept);
    halted.show(Pane::Problems);
    let empty = seen(&State::default(), Link::Unkept);
    for size in [SIZES[0], SIZES[1]] {
        let all = [
            ("looking", &looking),
            ("empty", &empty),
            ("halted", &halted),
            ("unkept", &unkept),
            ("in trouble", &lost),
        ];
        let all = all.map(|(title, view)| (title.to_string(), picture(view, size)));
        insta::assert_snapshot!(format!("states_{}x{}", size.0, size.1), album(all));
    }
}

// proves: T-3, U-4
#[test]
fn no_size_breaks_a_picture_and_nothing_in_it_drives_a_terminal() {
    let state = busy();
    for keys in [
        "1", "2", "3", "p", "$", "6", "7", "?", "2jd", "3\nx", "p\n", "/x", "2r",
    ] {
        let mut view = seen(&state, Link::Kept);
        press(&mut view, keys);
        if let Mode::Detail(name) = &view.mode {
            let name = name.clone();
            tell_detail(&mut view, &state, &name);
        }
        for wide in (0..=48).chain([300]) {
            for high in (0..=14).chain([90]) {
                let text = picture(&view, (wide, high));
                let drives = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
                assert!(!text.contains(drives), "{wide}x{high} {keys:?}\n{text}");
            }
        }
    }
}

// proves: U-12
#[test]
fn without_colour_there_is_none() {
    let view = seen(&busy(), Link::Kept);
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let plain =
        |frame: &mut ratatui::Frame<'_>| draw(&view, false, frame.area(), frame.buffer_mut());
    terminal.draw(plain).unwrap();
    let cells = terminal.backend().buffer().content();
    assert!(
        cells
            .iter()
            .all(|c| c.fg == Color::Reset && c.bg == Color::Reset)
    );
    let coloured =
        |frame: &mut ratatui::Frame<'_>| draw(&view, true, frame.area(), frame.buffer_mut());
    terminal.draw(coloured).unwrap();
    let cells = terminal.backend().buffer().content();
    assert!(cells.iter().any(|c| c.fg != Color::Reset));
}

// proves: U-4, L-4b
#[test]
fn keys_send_the_commands_that_they_say() {
    let state = busy();
    let sends = |keys: &str| {
        let mut view = seen(&state, Link::Kept);
        match press(&mut view, keys) {
            Some(Effect::Send(command, _)) => Some(serde_json::to_value(command).unwrap()),
            Some(Effect::Toggle(either)) => Some(serde_json::to_value(&either[0].0).unwrap()),
            _ => None,
        }
    };
    let long = "a-task-with-a-name-that-is-rather-long";
    for (keys, command) in [
        ("P", json!({ "verb": "pause" })),
        (" ", json!({ "verb": "pause_worker", "worker": "w1" })),
        ("jj ", json!({ "verb": "resume_worker", "worker": "w3" })),
        ("ry", json!({ "verb": "restart_worker", "worker": "w1" })),
        ("xy", json!({ "verb": "cancel_task", "task": "schema" })),
        ("2jry", json!({ "verb": "retry_task", "task": long })),
        ("2Gxy", json!({ "verb": "cancel_task", "task": "login" })),
    ] {
        assert_eq!(sends(keys), Some(command), "{keys:?}");
    }
    let answer = |text: Option<&str>, option: Option<u32>, deny: bool| {
        json!({ "verb": "answer", "ask": "1.1", "text": text, "option": option, "allow": false,
            "deny": deny })
    };
    assert_eq!(sends("3\n2\n"), Some(answer(None, Some(2), false)));
    assert_eq!(
        sends("3\nmy own\n"),
        Some(answer(Some("my own"), None, false))
    );
    assert_eq!(sends("3\n3\n"), Some(answer(Some("3"), None, false)));
    assert_eq!(sends("3n"), Some(answer(None, None, true)));
    assert_eq!(sends("3y"), None, "a question cannot be allowed");
    // What would not be undone is not done without a yes.
    for keys in ["r", "x", "2jr", "rn", "x\n", "2x\u{1b}"] {
        assert_eq!(sends(keys), None, "{keys:?}");
    }
    let mut view = seen(&paused_at_work(), Link::Kept);
    let Some(Effect::Toggle(either)) = press(&mut view, " ") else {
        panic!("a space sends nothing");
    };
    let worker = "w1".into();
    assert_eq!(either[0].0, CommandDoc::ResumeWorker { worker });
    let mut view = seen(&halted(), Link::Kept);
    let Some(Effect::Toggle(either)) = press(&mut view, "P") else {
        panic!("P sends nothing");
    };
    assert_eq!(either[0].0, CommandDoc::Resume);
    let mended = press(&mut view, "p\n1");
    assert!(matches!(mended, Some(Effect::Send(CommandDoc::Resume, _))));
}

// proves: U-4
#[test]
fn the_cursor_stays_on_its_row_while_the_list_moves() {
    let state = busy();
    let mut view = seen(&state, Link::Kept);
    press(&mut view, "2G");
    assert_eq!(view.chosen().as_deref(), Some("login"));
    let mut list = TaskList::of(&state, NOW);
    list.tasks.retain(|t| t.id != "docs");
    view.news(News::Tasks(list.clone()), NOW);
    assert_eq!(view.chosen().as_deref(), Some("login"));
    list.tasks.retain(|t| t.id != "login");
    view.news(News::Tasks(list), NOW);
    assert!(view.chosen().is_some(), "it is on what is left");
}

// proves: U-4, U-12
#[test]
fn only_what_is_shown_is_read_and_nothing_ages_where_nothing_runs() {
    let mut view = seen(&busy(), Link::Kept);
    let needs = view.needs();
    assert!(!needs.tasks && !needs.asks && needs.costs.is_none() && needs.log.is_none());
    press(&mut view, "2");
    assert!(view.needs().tasks);
    press(&mut view, "1l");
    assert_eq!(view.needs().log, Some(1));
    assert!(view.ages());
    assert!(!seen(&busy(), Link::Unkept).ages());
    assert!(!seen(&halted(), Link::Kept).ages());
}

// proves: U-4
#[test]
fn no_keys_in_any_order_break_it() {
    let state = busy();
    let keys: Vec<char> = "123456789jkgGpdlrxPynb$/?q \n\u{1b}".chars().collect();
    let mut seed = 7u64;
    for _ in 0..40 {
        let mut view = seen(&state, Link::Kept);
        for _ in 0..200 {
            // Xorshift: the same keys every time.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let key = keys[(seed % keys.len() as u64) as usize];
            press(&mut view, &key.to_string());
            picture(&view, (40, 12));
        }
    }
}

// proves: U-4
#[test]
fn every_pane_and_key_is_in_the_help() {
    let text: String = HELP
        .iter()
        .map(|(keys, does)| format!("{keys} {does}\n"))
        .collect();
    for pane in Pane::ALL {
        assert!(
            text.contains(&pane.title().to_lowercase()),
            "{}",
            pane.title()
        );
    }
    for key in [
        "j k", "Enter", "Tab", "q", "r", "d", "p", "$", "/", "Space", "x", "P",
    ] {
        assert!(text.contains(key), "{key}");
    }
}
