//! The block that a terminal shows below the lines while a plan runs: the swarm in a few rows.

use super::{clock, count, length};
use crate::term::{Style, escape, fit, paint, width};
use skep_core::{
    attempt::Phase,
    plan::{Action, plan},
    state::{State, SwarmState},
    task::TaskState,
    time::Time,
};

/// The block's lines, none wider than `wide`, few enough to leave most of the screen to the lines above.
pub(crate) fn block(
    state: &State,
    now: Time,
    wide: usize,
    high: usize,
    color: bool,
) -> Vec<String> {
    // The last column stays free: many terminals wrap when it is written.
    let wide = wide.saturating_sub(1).max(10);
    let mut lines = vec![head(state, now, wide, color)];
    if wide >= 50 {
        lines.push(bar(state, wide, color));
    }
    let room = high.saturating_sub(lines.len() + 3).clamp(1, 20);
    let live: Vec<_> = state.live().collect();
    for attempt in live.iter().take(room) {
        let doing = match attempt.phase {
            _ if attempt.stopping.is_some() => "stopping",
            Phase::Claimed => "starting",
            Phase::Running => "working",
            Phase::Verifying => "checking",
        };
        let age = length(now.since(attempt.since).0);
        let end = format!("{doing} {age}");
        let worker = attempt.worker.to_string();
        let left = wide.saturating_sub(width(&worker) + width(&end) + 6);
        let task = fit(&escape(attempt.task.as_str()), left.min(30));
        let gap = " ".repeat(left.min(30).saturating_sub(width(&task)));
        lines.push(format!(
            "  {}  {task}{gap}  {end}",
            paint(color, Style::Strong, &worker)
        ));
    }
    if live.len() > room {
        lines.push(format!("  and {} more", live.len() - room));
    }
    if let Some(first) = state.collisions().first() {
        let more = match state.collisions().len() - 1 {
            0 => String::new(),
            n => format!(", and {n} more"),
        };
        lines.push(fit(&format!("  {}{more}", escape(&first.sentence())), wide));
    }
    // A set-up may take minutes, in which nothing else is to be seen.
    let making = plan(state, now).actions;
    let making = making
        .iter()
        .filter(|action| matches!(action, Action::Prepare { .. }));
    if let n @ 1.. = making.count() {
        let text = format!("  making {} ready", count(n, "worktree"));
        lines.push(fit(&text, wide));
    }
    lines.push(fit(&format!("  {}", totals(state)), wide));
    lines
}

fn head(state: &State, now: Time, wide: usize, color: bool) -> String {
    let Some(swarm) = state.swarm() else {
        return "no plan".into();
    };
    let total = state.tasks().len();
    let merged = state.count(TaskState::Merged);
    let last = state.last_wave();
    let elapsed = clock(now.since(swarm.since).0);
    let word = match state.swarm_state() {
        SwarmState::Running => String::new(),
        other => format!("  {other}"),
    };
    let wave = format!("  wave {} of {last}", state.open_wave().min(last));
    let rest = format!("  {merged}/{total} merged{word}  {elapsed}");
    let name = swarm.spec.name.as_str();
    let wave = if width(name) + width(&wave) + width(&rest) <= wide {
        wave
    } else {
        String::new()
    };
    let name = fit(
        name,
        wide.saturating_sub(width(&wave) + width(&rest)).max(1),
    );
    fit_painted(&name, &format!("{wave}{rest}"), wide, color)
}

fn fit_painted(strong: &str, rest: &str, wide: usize, color: bool) -> String {
    let rest = fit(rest, wide.saturating_sub(width(strong)));
    format!("{}{rest}", paint(color, Style::Strong, strong))
}

fn bar(state: &State, wide: usize, color: bool) -> String {
    let total = state.tasks().len().max(1);
    let cells = (wide - 8).min(60);
    let part = |n: usize| n * cells / total;
    let merged = part(state.count(TaskState::Merged));
    let done = part(state.count(TaskState::Merged) + state.count(TaskState::Accepted));
    let percent = state.count(TaskState::Merged) * 100 / total;
    let full = paint(color, Style::Good, &"#".repeat(merged));
    let (half, empty) = ("=".repeat(done - merged), ".".repeat(cells - done));
    format!("[{full}{half}{empty}] {percent}%")
}

/// `2 running, 1 ready, 1 flagged`: every state but merged that any task is in.
fn totals(state: &State) -> String {
    let others = TaskState::ALL
        .into_iter()
        .filter(|s| *s != TaskState::Merged);
    let some = others.filter(|s| state.count(*s) > 0);
    let said: Vec<String> = some.map(|s| format!("{} {s}", state.count(s))).collect();
    let conflicts = match state.conflicts().len() {
        0 => String::new(),
        n => format!(", {}", count(n, "conflict")),
    };
    if said.is_empty() {
        "nothing is left to do".into()
    } else {
        said.join(", ") + &conflicts
    }
}
