//! What this crate does to the world, tried on the world.
#![allow(clippy::unwrap_used)] // In a test's helpers, too, a surprise is a failure.

mod git;
mod health;
mod keeper;
mod shim;
