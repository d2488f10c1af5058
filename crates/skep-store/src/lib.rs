//! Where the log lives.
#![forbid(unsafe_code)]
