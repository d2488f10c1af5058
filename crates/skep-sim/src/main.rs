//! `skep-sim`: runs worlds by seed. For development; not shipped.
#![allow(clippy::print_stdout, clippy::print_stderr)] // A tool for the terminal.

use skep_sim::{Coverage, Failure, Kind, Mutant, Options, run, shrink};
use std::{process::ExitCode, time::Instant};

const USAGE: &str = "usage: skep-sim [--seeds FIRST..LAST | --seed N [--trace]] [--tasks N] \
[--faults PERCENT] [--days N] [--no-people] [--mutant NAME] [--any-coverage] [--keep-going]
exit codes: 0 all hold, 2 usage, 3 a panic, 4 safety, 5 liveness, 6 something was never exercised";

struct Args {
    first: u64,
    last: u64,
    options: Options,
    coverage: bool,
    keep_going: bool,
}

fn main() -> ExitCode {
    let Some(args) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    let (mut coverage, mut events, mut sim_ms) = (Coverage::default(), 0, 0);
    for seed in args.first..args.last {
        let outcome = run(seed, &args.options);
        for line in &outcome.trace {
            println!("{line}");
        }
        if let Some(failure) = outcome.failure.as_ref().filter(|_| args.keep_going) {
            println!(
                "seed {seed}: {:?} {}: {}",
                failure.kind, failure.invariant, failure.text
            );
            continue;
        }
        if let Some(failure) = outcome.failure {
            return explain(seed, &failure, &args.options);
        }
        coverage.add(&outcome.coverage);
        events += outcome.events;
        sim_ms += outcome.sim_ms;
    }
    let took = began.elapsed().as_secs_f64();
    let seeds = args.last - args.first;
    for (what, count) in &coverage.counts {
        println!("{count:>10}  {what}");
    }
    println!(
        "{seeds} seeds in {took:.1} s: {:.0} seeds/s, {:.0} events/s, {:.0} simulated days/s",
        seeds as f64 / took,
        events as f64 / took,
        sim_ms as f64 / 86_400_000.0 / took
    );
    let missing = coverage.missing();
    if args.coverage && seeds >= 1_000 && !missing.is_empty() {
        eprintln!("never exercised: {}", missing.join("; "));
        return ExitCode::from(6);
    }
    ExitCode::SUCCESS
}

fn parse(args: impl Iterator<Item = String>) -> Option<Args> {
    let mut parsed = Args {
        first: 0,
        last: 1_000,
        options: Options::default(),
        coverage: true,
        keep_going: false,
    };
    let mut args = args.peekable();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seeds" => {
                let range = args.next()?;
                let (first, last) = range.split_once("..")?;
                (parsed.first, parsed.last) = (first.parse().ok()?, last.parse().ok()?);
            }
            "--seed" => {
                parsed.first = args.next()?.parse().ok()?;
                parsed.last = parsed.first + 1;
            }
            "--trace" => parsed.options.trace = true,
            "--tasks" => parsed.options.max_tasks = args.next()?.parse().ok()?,
            "--faults" => parsed.options.faults = args.next()?.parse().ok()?,
            "--days" => {
                parsed.options.days = args.next()?.parse().ok()?;
                parsed.options.people = false;
            }
            "--no-people" => parsed.options.people = false,
            "--keep-going" => parsed.keep_going = true,
            "--any-coverage" => parsed.coverage = false,
            "--mutant" => {
                let name = args.next()?;
                let named = |m: &&Mutant| format!("{m:?}") == name;
                parsed.options.mutant = Some(*Mutant::ALL.iter().find(named)?);
            }
            _ => return None,
        }
    }
    Some(parsed)
}

fn explain(seed: u64, failure: &Failure, options: &Options) -> ExitCode {
    let traced = run(
        seed,
        &Options {
            trace: true,
            ..*options
        },
    );
    eprintln!("\nseed {seed} at commit {}: {:?}", commit(), failure.kind);
    eprintln!("  {}: {}", failure.invariant, failure.text);
    eprintln!("the last of what happened:");
    for line in traced.trace.iter().rev().take(40).rev() {
        eprintln!("  {line}");
    }
    let least = shrink(seed, options);
    let people = if least.people { "" } else { " --no-people" };
    let mutant = least
        .mutant
        .map_or(String::new(), |m| format!(" --mutant {m:?}"));
    let flags = format!(
        "--tasks {} --faults {}{people}{mutant}",
        least.max_tasks, least.faults
    );
    eprintln!("replay: cargo run --release -p skep-sim -- --seed {seed} --trace {flags}");
    ExitCode::from(match failure.kind {
        Kind::Crash => 3,
        Kind::Safety => 4,
        Kind::Liveness => 5,
    })
}

/// The commit of the source tree, read without starting a process.
fn commit() -> String {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let root = env!("CARGO_MANIFEST_DIR");
    let git = format!("{root}/../../.git");
    let git = read(&git)
        .and_then(|t| Some(t.strip_prefix("gitdir: ")?.trim().to_string()))
        .unwrap_or(git);
    let head = read(&format!("{git}/HEAD")).unwrap_or_default();
    let Some(branch) = head.strip_prefix("ref: ") else {
        return head.trim().into();
    };
    let common =
        read(&format!("{git}/commondir")).map_or(git.clone(), |c| format!("{git}/{}", c.trim()));
    let tip = read(&format!("{common}/{}", branch.trim())).unwrap_or_else(|| "unknown".into());
    tip.trim().into()
}
