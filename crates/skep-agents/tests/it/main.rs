//! The adapters against what real CLIs printed, and against what hostile ones could print.
#![allow(clippy::unwrap_used, unreachable_pub, missing_docs)] // A test may panic; nobody links it.

mod bytes;
mod deltas;
mod endings;
mod golden;
mod hostile;
mod launches;
mod metering;
mod narrated;
mod order;
mod redact;
mod replay;
mod talk;
