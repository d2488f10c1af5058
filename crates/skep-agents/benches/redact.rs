//! How fast secrets are looked for, beside a search for one line's end: what a shim adds to every byte it copies.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)] // A measurement prints and may panic; nobody links it.

use skep_agents::redact::{Flow, Secrets};
use std::{fs, hint::black_box, path::Path, time::Instant};

/// As a shim reads.
const PIECE: usize = 64 * 1024;
const ROUNDS: usize = 7;

fn speed(bytes: &[u8], mut pass: impl FnMut(&[u8])) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        bytes.chunks(PIECE).for_each(&mut pass);
        best = best.min(began.elapsed().as_secs_f64());
    }
    bytes.len() as f64 / best / 1e6
}

fn main() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut transcripts = Vec::new();
    for file in fs::read_dir(tests.join("transcripts/claude")).unwrap() {
        transcripts.extend(fs::read(file.unwrap().path()).unwrap());
    }
    let transcripts = transcripts.repeat(64 * 1024 * 1024 / transcripts.len());
    let lock = fs::read(tests.join("locks/package-lock.json")).unwrap();
    let lock = lock.repeat(64 * 1024 * 1024 / lock.len());
    let mut secrets = Secrets::default();
    for n in 0..20 {
        secrets.add("SOME_TOKEN", &format!("{n}-a-value-that-nobody-prints-{n}"));
    }
    println!("| 64 MiB of | redacted, MB/s | lines found, MB/s |");
    println!("|---|---|---|");
    for (name, bytes) in [("transcripts", transcripts), ("a lock file", lock)] {
        let (mut flow, mut out) = (Flow::default(), Vec::new());
        let ours = speed(&bytes, |piece| {
            out.clear();
            flow.push(&secrets, piece, &mut out);
            black_box(&out);
        });
        let theirs = speed(&bytes, |piece| {
            black_box(piece.iter().filter(|b| **b == b'\n').count());
        });
        println!("| {name} | {ours:.0} | {theirs:.0} |");
    }
}
