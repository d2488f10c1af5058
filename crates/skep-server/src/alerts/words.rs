//! How alerts are put into words, for each kind of receiver. Pure: from a message to the text that is sent.
//!
//! What tasks, agents and commands are called and print is part of it. The core has made one line of each such text,
//! without control characters; here each receiver's own markup is taken out of it.

use crate::api::{SCHEMA, Stamp};
use serde::Serialize;
use skep_core::{
    alert::post::{Letter, Message, Says},
    merge::Severity,
};
use std::fmt::Write as _;

/// A message with the swarm that it is of.
pub(super) struct Mail<'m> {
    pub(super) swarm: &'m str,
    pub(super) message: &'m Message,
}

/// What a webhook gets.
#[derive(Serialize)]
struct MessageDoc<'m> {
    schema: u32,
    id: String,
    swarm: &'m str,
    route: &'m str,
    kind: &'static str,
    alerts: Vec<LetterDoc<'m>>,
}

#[derive(Serialize)]
struct LetterDoc<'m> {
    id: String,
    says: &'static str,
    key: Option<String>,
    rule: Option<&'static str>,
    subject: Option<String>,
    severity: Option<&'static str>,
    text: &'m str,
    todo: Option<&'m str>,
    since: Option<Stamp>,
    at: Stamp,
}

/// The word for how much something matters.
pub(crate) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

const TEST: &str = "this is a test of Skep's alerts; nothing is wrong";

/// Names a letter for ever: by its event, and the moment of it, since another log may count anew.
pub(crate) fn id(letter: &Letter) -> String {
    format!("{}-{}", letter.at.0, letter.seq)
}

impl Mail<'_> {
    /// Names the message: the same one sent again has the same name.
    pub(super) fn id(&self) -> String {
        match &self.message.letters[..] {
            [one] => id(one),
            [first, .., last] => {
                let count = self.message.letters.len();
                format!("{}-{}-{count}", id(first), last.seq)
            }
            [] => String::new(),
        }
    }

    fn kind(&self) -> &'static str {
        match &self.message.letters[..] {
            [one] => one.says.word(),
            _ => "digest",
        }
    }

    /// The whole as JSON.
    pub(super) fn json(&self) -> Vec<u8> {
        let letters = self.message.letters.iter().map(|letter| {
            let alert = letter.alert.as_ref();
            LetterDoc {
                id: id(letter),
                says: letter.says.word(),
                key: alert.map(|a| a.of.to_string()),
                rule: alert.map(|a| a.of.rule().word()),
                subject: alert.map(|a| a.of.subject()),
                severity: alert.map(|a| severity(a.severity)),
                text: alert.map_or(TEST, |a| &a.text),
                todo: alert.map(|a| &*a.todo),
                since: alert.map(|a| Stamp(a.since)),
                at: Stamp(letter.at),
            }
        });
        let doc = MessageDoc {
            schema: SCHEMA,
            id: self.id(),
            swarm: self.swarm,
            route: &self.message.route.name,
            kind: self.kind(),
            alerts: letters.collect(),
        };
        // Texts and numbers: their JSON cannot fail.
        serde_json::to_vec(&doc).unwrap_or_default()
    }

    /// The one line that a person sees first.
    pub(super) fn subject(&self) -> String {
        let swarm = self.swarm;
        match &self.message.letters[..] {
            [one] => format!("[Skep {swarm}] {}", sentence(one)),
            many => format!("[Skep {swarm}] {} alerts", many.len()),
        }
    }

    /// All of it, for people.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for letter in &self.message.letters {
            let _ = writeln!(out, "{}", sentence(letter));
            if let Some(alert) = letter
                .alert
                .as_ref()
                .filter(|_| letter.says != Says::Resolved)
            {
                let _ = writeln!(out, "  what to do: {}", alert.todo);
            }
            if let Some(alert) = &letter.alert {
                let (since, key) = (Stamp(alert.since), &alert.of);
                let _ = writeln!(out, "  since {since}, {key}");
            }
        }
        out
    }

    /// What Slack's incoming webhooks take. Its three special characters are taken out of every text, so that no
    /// task's name calls a channel or hides a link; the rest of its markup is turned off.
    pub(super) fn slack(&self) -> Vec<u8> {
        let text = format!("{}\n{}", self.subject(), self.text());
        let doc = serde_json::json!({ "text": slack_escaped(&text), "mrkdwn": false });
        doc.to_string().into_bytes()
    }

    /// How much the worst of it matters.
    pub(super) fn is_critical(&self) -> bool {
        let mut letters = self.message.letters.iter();
        letters.any(|letter| {
            let alert = letter.alert.as_ref();
            letter.says != Says::Resolved && alert.is_some_and(|a| a.severity == Severity::Critical)
        })
    }
}

fn sentence(letter: &Letter) -> String {
    let Some(alert) = &letter.alert else {
        return TEST.into();
    };
    match letter.says {
        Says::Resolved => format!("over: {}", alert.text),
        Says::Reminder => format!("{}, still: {}", severity(alert.severity), alert.text),
        Says::Raised | Says::Test => format!("{}: {}", severity(alert.severity), alert.text),
    }
}

pub(super) fn slack_escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
