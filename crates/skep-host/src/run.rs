//! One contained run, as the keeper sees it: a folder with `spec.json`, and in the end `exit.json`.

pub mod files;
