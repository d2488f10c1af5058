//! The adapters against what real CLIs printed, and against what hostile ones could print.

mod bytes;
mod endings;
mod golden;
mod hostile;
mod launches;
mod order;
mod replay;
mod talk;
