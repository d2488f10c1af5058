//! The small parent of every run.
