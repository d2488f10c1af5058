//! Plans as users write them, good and bad, through the public API.

#![allow(clippy::unwrap_used)] // A test that panics has failed, which is what is wanted.

mod api;
mod bad_plans;
mod concerns;
mod dashboards;
mod events;
mod front;
mod good_plans;
mod log;
mod markdown;
mod openapi;
mod reports;
mod round_trip;
mod rules;
mod schema;
mod views;

use skep_core::spec::Plan;
use skep_server::plan::{self, Diagnostics, Format, Options};

fn options() -> Options {
    Options {
        default_name: "repo".parse().unwrap(),
        default_agent: "shell".into(),
    }
}

fn read(format: Format, text: &str) -> Result<Plan, Diagnostics> {
    plan::read("plan", text, Some(format), &options())
}

/// The codes of everything that is wrong with a plan.
fn codes(result: Result<Plan, Diagnostics>) -> Vec<&'static str> {
    match result {
        Ok(_) => Vec::new(),
        Err(diagnostics) => diagnostics.list().iter().map(|d| d.code).collect(),
    }
}
