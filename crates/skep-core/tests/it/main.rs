//! The decider's policies, tested through its only door: requests in, records and actions out.
//!
//! [`swarm::Swarm`] plays keeper, hosts and people; each file tests one subject of SPEC.md.
#![allow(clippy::unwrap_used, unreachable_pub, missing_docs)] // A test may panic; nobody links it.

mod swarm;
mod words;

mod affinity;
mod alerts;
mod asks;
mod backoff;
mod budgets;
mod claims;
mod forecast;
mod handoff;
mod history;
mod keys_and_fences;
mod landing;
mod live_changes;
mod merging;
mod providers;
mod queue;
mod reputation;
mod retries;
mod routing;
mod said;
mod scaling;
mod scripts;
mod sharing;
mod tables;
mod targets;
mod waves;
mod why;
mod workers;
