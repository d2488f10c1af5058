//! How fast a whole keeper is: each row beside what the same machine can do at best, measured in the same run.
//!
//! `cargo bench -p skep-host --bench keeper -- claim start` runs some subjects, without names it runs all.
//! The numbers of a busy machine say little: the comparison beside each says how busy it was.

// A benchmark prints, and one that cannot go on should say where.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

mod fake;
mod fold;
mod idle;
mod latency;
mod plans;
mod table;
mod wave;
mod world;

use table::Table;

/// A subject: its name on the command line, and what measures it.
type Subject = (&'static str, fn(&mut Table));

const SUBJECTS: &[Subject] = &[
    ("claim", latency::claim),
    ("start", latency::start),
    ("tmux", latency::start_in_tmux),
    ("levels", plans::levels),
    ("engine", fake::engine),
    ("processes", plans::processes),
    ("burst", plans::burst),
    ("death", latency::death),
    ("fold", fold::fold),
    ("status", idle::status),
    ("idle", idle::idle),
    ("wave", wave::wave),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, place, how] = args.as_slice()
        && verb == "live-idly"
    {
        return idle::live(place, how);
    }
    let wanted: Vec<&String> = args.iter().filter(|a| !a.starts_with('-')).collect();
    let mut table = Table::begin();
    for (name, measure) in SUBJECTS {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            measure(&mut table);
        }
    }
}
