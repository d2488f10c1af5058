//! Chores: `cargo xtask test` passes all tests, `cargo xtask bench` prints the tables of the benchmarks, and
//! `cargo xtask agents` installs the real agent CLIs that some tests drive.

mod agents;

use std::{
    os::unix::fs::MetadataExt,
    process::{Command, ExitCode},
    time::Instant,
};

/// One step of a chore: what it is, and the command line.
type Step = (&'static str, &'static [&'static str]);

/// A program that tests need: itself, the Debian package that has it, what it is for, and whether there is no testing
/// without it. Tests that can do without say that they are skipped.
const NEEDS: &[(&str, &str, &str, bool)] = &[
    ("tmux", "tmux", "workers in panes (W-2)", true),
    ("chromium", "chromium", "the dashboard (U-3)", false),
    (
        "promtool",
        "prometheus",
        "what Prometheus makes of the metrics and rules (U-5)",
        false,
    ),
];

/// Everything that must hold before a commit lands, cheapest first.
const TEST: &[Step] = &[
    ("format", &["cargo", "fmt", "--all", "--check"]),
    (
        "lints",
        &[
            "cargo",
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
    ),
    ("tests", &["cargo", "test", "--workspace", "--no-fail-fast"]),
];

const BENCH: &[Step] = &[("benchmarks", &["cargo", "bench", "--workspace"])];

fn main() -> ExitCode {
    let chore = std::env::args().nth(1).unwrap_or_default();
    match chore.as_str() {
        "test" if needs() => {
            // What is missing has been said, and its tests say it again: they are skipped.
            let _ = agents::install();
            run(TEST)
        }
        "test" => ExitCode::FAILURE,
        "agents" if agents::install() => ExitCode::SUCCESS,
        "agents" => ExitCode::FAILURE,
        "bench" => run(BENCH),
        _ => {
            eprintln!("usage: cargo xtask test | agents | bench");
            ExitCode::from(2)
        }
    }
}

/// Whether every program that tests need is there; what is missing is installed where that is allowed.
#[allow(clippy::disallowed_methods)] // The chores run where cargo stands, the root.
fn needs() -> bool {
    NEEDS.iter().all(|(program, package, what, must)| {
        // Of those that know no `--version`, too, it is known then that they are there.
        let there = || Command::new(program).arg("--version").output().is_ok();
        let root = || std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
        if there() {
            return true;
        }
        println!("== needs: {program} is missing, for {what}");
        let install = ["install", "--yes", "--no-install-recommends", package];
        let installed = root() && {
            let _ = Command::new("apt-get").arg("update").status();
            Command::new("apt-get")
                .args(install)
                .status()
                .is_ok_and(|s| s.success())
        };
        if !installed || !there() {
            let word = if *must { "failed" } else { "SKIPPED" };
            println!("== needs: {word}; install {program} (`apt-get install {package}`)");
            return !must;
        }
        true
    })
}

#[allow(clippy::disallowed_methods)] // The chores run where cargo stands, the root.
fn run(steps: &[Step]) -> ExitCode {
    let begun = Instant::now();
    for (name, line) in steps {
        println!("== {name}: {}", line.join(" "));
        let begun = Instant::now();
        let status = Command::new(line[0]).args(&line[1..]).status();
        match status {
            Ok(status) if status.success() => println!("== {name}: ok, {:.0?}", begun.elapsed()),
            Ok(status) => {
                println!("== {name}: failed, {status}");
                return ExitCode::FAILURE;
            }
            Err(error) => {
                println!("== {name}: cannot run {}: {error}", line[0]);
                return ExitCode::FAILURE;
            }
        }
    }
    println!("== all of it: ok, {:.0?}", begun.elapsed());
    ExitCode::SUCCESS
}
