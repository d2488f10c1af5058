//! Alerts, the routes that they take, and what does not arrive, as text.

use super::{count, length, status::Look};
use crate::term::{self, Style, escape, paint};
use skep_server::api::{AlertDoc, AlertList, DeliveryDoc, RouteDoc};
use std::fmt::Write as _;

/// All that is raised, and how messages get through.
pub(crate) fn all(list: &AlertList, look: Look) -> String {
    let mut out = String::new();
    if list.alerts.is_empty() {
        out.push_str("nothing is raised\n");
    }
    for alert in &list.alerts {
        one(&mut out, alert, look);
    }
    for silence in &list.silenced {
        let left = length(silence.until.0.since(look.now).0);
        let _ = writeln!(out, "{} is silenced for {left}", silence.rule);
    }
    if list.routes.is_empty() {
        out.push_str(
            "nobody is told: the plan names no [[alerts.route]] (`skep alerts --help` shows one)\n",
        );
    }
    for route in &list.routes {
        let mut sent = list.deliveries.iter().rev();
        let last = sent.find(|d| d.route == route.name && d.state == "sent");
        let line = format!("{}\n", self::route(route, last, look));
        out.push_str(&term::wrap(&line, look.width, 2));
    }
    out
}

fn one(out: &mut String, alert: &AlertDoc, look: Look) {
    let style = match &*alert.severity {
        "critical" => Style::Bad,
        "warning" => Style::Care,
        _ => Style::Dim,
    };
    let word = paint(look.color, style, &format!("{:<10}", alert.severity));
    let age = length(look.now.since(alert.since.0).0);
    let line = format!("{word}{} (for {age})\n", escape(&alert.text));
    out.push_str(&term::wrap(&line, look.width, 10));
    let line = format!("          {}\n", escape(&alert.todo));
    out.push_str(&term::wrap(&line, look.width, 10));
}

/// A route, and the last of what went by it, if anything did.
fn route(route: &RouteDoc, last: Option<&DeliveryDoc>, look: Look) -> String {
    let mut text = format!("{} ({})", escape(&route.name), route.kind);
    if let Some(last) = last {
        let of = last.key.as_deref().map_or_else(|| "a test".into(), escape);
        let ago = length(look.now.since(last.at.0).0);
        let _ = write!(text, " was told of {of} {ago} ago");
    }
    if let Some(trouble) = &route.trouble {
        let _ = write!(text, "; fails: {}", escape(trouble));
    } else if route.waiting > 0 {
        let waiting = count(route.waiting as usize, "message");
        let _ = write!(text, "; {waiting} to send");
    }
    if let Some(until) = route.quiet_until {
        let left = length(until.0.since(look.now).0);
        let _ = write!(text, "; quiet hours for {left} more");
    }
    text
}

/// What became of a test.
pub(crate) fn tests(tests: &[DeliveryDoc], look: Look) -> String {
    let one = |test: &DeliveryDoc| {
        let name = escape(&test.route);
        let why = test.trouble.as_deref().map(escape).unwrap_or_default();
        let line = match &*test.state {
            "sent" => paint(look.color, Style::Good, &format!("{name}: sent")),
            "given_up" => paint(look.color, Style::Bad, &format!("{name}: failed: {why}")),
            _ if test.tries > 0 => paint(
                look.color,
                Style::Care,
                &format!("{name}: not sent yet, and tried again: {why}"),
            ),
            _ => paint(look.color, Style::Care, &format!("{name}: not sent yet")),
        };
        term::wrap(&format!("{line}\n"), look.width, 2)
    };
    tests.iter().map(one).collect()
}
