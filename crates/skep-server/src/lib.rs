//! What Skep says and hears: plan files, wire documents, the API and its client.
#![forbid(unsafe_code)]

pub mod plan;
