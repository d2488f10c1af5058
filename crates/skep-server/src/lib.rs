//! What Skep says and hears: plan files, wire documents, the API and its client.
#![forbid(unsafe_code)]

pub mod plan;

pub mod alerts;
pub mod api;
pub mod client;
pub mod config;
pub mod http;
pub mod mcp;
pub mod models;
mod near;
pub mod prometheus;
pub mod report;
pub mod state_file;
mod unique;
pub mod zones;

pub use near::{nearest, task_hint, worker_hint};
pub use unique::unique_id;
