//! The logs as their users meet them: real files, real processes, real damage.
// Tests start other programs: `mount` for a small disk, and this executable again as a victim.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod damage;
mod files;
mod full;
mod kill;
mod memory;
mod model;
mod schema;
mod support;
