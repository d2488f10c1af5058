//! Whom alerts reach, by which way, and when: the `[[alerts.route]]` of a plan.

use super::{Alert, Key, Rule};
use crate::{
    merge::Severity,
    spec::{Span, Zone},
    time::{Millis, Time},
};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// One way to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// To name it by.
    pub name: String,
    /// Where it leads.
    pub to: To,
    /// Nothing that matters less goes this way.
    pub least: Severity,
    /// The rules of which alerts go this way; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Whether it is said, too, when something is over.
    pub resolved: bool,
    /// When only what is critical is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// The same is not said again so soon, whatever became of it in between.
    pub dedup: Millis,
    /// The most messages within an hour; what is critical does not wait for it.
    pub per_hour: u32,
}

/// Where a route leads. What is secret is named here and never held: it is read where a message is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// An address that takes JSON.
    Webhook {
        /// The address.
        url: Url,
        /// What messages are signed with.
        secret: Option<Secret>,
        /// Whether the address may be one of a private network.
        allow_private: bool,
    },
    /// An address that takes what Slack's incoming webhooks take.
    Slack {
        /// The address.
        url: Url,
        /// Whether the address may be one of a private network.
        allow_private: bool,
    },
    /// E-mail.
    Email(Email),
    /// The desktop of whoever runs the keeper.
    Desktop,
}

impl To {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            To::Webhook { .. } => "webhook",
            To::Slack { .. } => "slack",
            To::Email(_) => "email",
            To::Desktop => "desktop",
        }
    }
}

/// An address, or where it is kept if whoever knows it may use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Url {
    /// This one.
    Plain(String),
    /// One that is kept elsewhere.
    Kept(Secret),
}

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// In this variable of the keeper's environment.
    Env(String),
    /// In this file.
    File(String),
}

/// How e-mail is handed to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub tls: Tls,
    /// Whom the server knows, and by which password.
    pub login: Option<(String, Secret)>,
    /// The sender.
    pub from: String,
    /// Who gets it.
    pub to: Vec<String>,
}

/// Whether a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// From its first byte.
    Implicit,
    /// From the server's consent on; without it nothing is sent.
    #[default]
    Starttls,
    /// Not at all: for a server on this machine.
    None,
}

impl Tls {
    /// All of them.
    pub const ALL: [Tls; 3] = [Tls::Implicit, Tls::Starttls, Tls::None];
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Tls::Implicit => "implicit",
            Tls::Starttls => "starttls",
            Tls::None => "none",
        }
    }
}

/// Hours of each day, by the clocks of a time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// When they begin, in minutes after midnight.
    pub from: u16,
    /// When they end; before the beginning, it is on the next day.
    pub to: u16,
    /// Whose clocks.
    #[serde(default)]
    pub zone: Zone,
}

impl Quiet {
    /// The quiet hours that hold a moment, if any do.
    #[must_use]
    pub fn span(&self, at: Time) -> Option<Span> {
        self.zone.hours(at, self.from, self.to)
    }
}

/// The order in which severities are declared: the worst first.
const fn rank(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 0,
        Severity::Warning => 1,
        Severity::Info => 2,
    }
}

impl Route {
    /// Whether an alert goes this way at all.
    #[must_use]
    pub fn takes(&self, alert: &Alert) -> bool {
        let own = matches!(&alert.of, Key::Undelivered(route) if *route == self.name);
        // That this route fails cannot be said by it.
        !own && rank(alert.severity) <= rank(self.least)
            && (self.rules.is_empty() || self.rules.contains(&alert.of.rule()))
    }
}
