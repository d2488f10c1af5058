//! What this crate does to the world, tried on the world.

mod git;
mod shim;
