//! What people were told of, and what became of it (U-6).

use super::{SCHEMA, Stamp};
use crate::alerts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    alert::{
        Rule,
        post::{Done, Letter},
        route::Route,
    },
    state::State,
    time::Time,
};

/// Something that was raised and is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertDoc {
    /// Two alerts of the same key are one.
    pub key: String,
    /// What was looked for.
    pub rule: String,
    /// Which of its rule's; empty where there is only one.
    pub subject: String,
    /// `critical`, `warning` or `info`.
    pub severity: String,
    /// What is the matter.
    pub text: String,
    /// What to do about it.
    pub todo: String,
    /// Since when it holds.
    pub since: Stamp,
    /// When it was raised first.
    pub raised: Stamp,
    /// When people were told last; null while its rule has been silenced all along.
    #[schemars(with = "Option<String>")]
    pub told: Option<Stamp>,
    /// It does not hold any more, since then, and is over unless it comes back at once.
    #[schemars(with = "Option<String>")]
    pub over: Option<Stamp>,
}

/// A rule that nobody wants to hear of for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SilenceDoc {
    /// Which.
    pub rule: String,
    /// Until when.
    pub until: Stamp,
}

/// A way to people. What is secret of it is nowhere here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteDoc {
    /// Its name.
    pub name: String,
    /// `webhook`, `slack`, `email` or `desktop`.
    pub kind: String,
    /// Nothing that matters less goes this way.
    pub least: String,
    /// The rules of which alerts go this way; empty: all.
    pub rules: Vec<String>,
    /// Only what is critical is sent until then.
    #[schemars(with = "Option<String>")]
    pub quiet_until: Option<Stamp>,
    /// How many letters wait.
    pub waiting: u32,
    /// Why its last message was given up, if it was.
    pub trouble: Option<String>,
}

/// What one route was to say of one alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryDoc {
    /// Its name, which receivers are told, too.
    pub id: String,
    /// The number of its event in the log.
    pub seq: u64,
    /// By which route.
    pub route: String,
    /// `raised`, `reminder`, `resolved` or `test`.
    pub says: String,
    /// Of which alert; null for a test.
    pub key: Option<String>,
    /// `waiting`, `sent` or `given_up`.
    pub state: String,
    /// How often it was tried in vain.
    pub tries: u32,
    /// What went wrong last.
    pub trouble: Option<String>,
    /// When it was written.
    pub at: Stamp,
    /// It is tried again then, if it waits for that.
    #[schemars(with = "Option<String>")]
    pub not_before: Option<Stamp>,
}

/// All of it. `GET /api/v1/alerts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertList {
    /// The document's version.
    pub schema: u32,
    /// What is raised and not over, oldest first.
    pub alerts: Vec<AlertDoc>,
    /// Rules that are silenced.
    pub silenced: Vec<SilenceDoc>,
    /// The ways to people that the plan names.
    pub routes: Vec<RouteDoc>,
    /// What waits to be sent, and the last of what was, oldest first.
    pub deliveries: Vec<DeliveryDoc>,
}

/// `POST /api/v1/alerts/test`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TestInput {
    /// The route to test; null: each.
    pub route: Option<String>,
}

impl AlertList {
    /// The view of a state.
    #[must_use]
    pub fn of(state: &State, now: Time) -> AlertList {
        let book = state.alerts();
        let open = book.open().map(|(spell, raised)| AlertDoc {
            key: spell.of.to_string(),
            rule: spell.of.rule().to_string(),
            subject: spell.of.subject(),
            severity: alerts::severity(raised.alert.severity).into(),
            text: raised.alert.text.clone(),
            todo: raised.alert.todo.clone(),
            since: Stamp(raised.alert.since),
            raised: Stamp(raised.at),
            told: raised.told.map(Stamp),
            over: spell.over.map(Stamp),
        });
        let silenced = Rule::ALL.into_iter().filter_map(|rule| {
            let until = book.silenced_until(rule).filter(|until| *until > now)?;
            Some(SilenceDoc {
                rule: rule.to_string(),
                until: Stamp(until),
            })
        });
        let post = book.post();
        let routes = state.swarm().map_or(&[][..], |s| &s.spec.routes);
        let done = post.done().iter().map(|Done { letter, sent, .. }| {
            delivery(letter, if *sent { "sent" } else { "given_up" })
        });
        let waiting = post.waiting().iter().map(|l| delivery(l, "waiting"));
        AlertList {
            schema: SCHEMA,
            alerts: open.collect(),
            silenced: silenced.collect(),
            routes: routes.iter().map(|r| route(state, r, now)).collect(),
            deliveries: done.chain(waiting).collect(),
        }
    }
}

fn route(state: &State, route: &Route, now: Time) -> RouteDoc {
    let post = state.alerts().post();
    let waiting = post.waiting().iter().filter(|l| l.route == route.name);
    let quiet = route.quiet.as_ref().and_then(|quiet| quiet.span(now));
    RouteDoc {
        name: route.name.clone(),
        kind: route.to.word().into(),
        least: alerts::severity(route.least).into(),
        rules: route.rules.iter().map(ToString::to_string).collect(),
        quiet_until: quiet.map(|span| Stamp(span.to)),
        waiting: u32::try_from(waiting.count()).unwrap_or(u32::MAX),
        trouble: post.trouble(&route.name).map(Into::into),
    }
}

fn delivery(letter: &Letter, state: &str) -> DeliveryDoc {
    DeliveryDoc {
        id: alerts::id(letter),
        seq: letter.seq,
        route: letter.route.clone(),
        says: letter.says.word().into(),
        key: letter.alert.as_ref().map(|a| a.of.to_string()),
        state: state.into(),
        tries: letter.tries,
        trouble: letter.trouble.clone(),
        at: Stamp(letter.at),
        not_before: letter.not_before.map(Stamp),
    }
}
