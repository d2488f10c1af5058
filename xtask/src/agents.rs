//! `cargo xtask agents`: the real agent CLIs that tests drive, at the versions that the adapters were recorded with,
//! from npm and PyPI into a cache folder.
//!
//! Each has a folder of its own, named by its version; the file `ready` in it is written last, so an installation
//! that was cut off is begun again. `bin/` links to the programs: it is what a test puts on its path. What cannot be
//! installed is said, and its tests are skipped: never passed.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A CLI: its name (in plans, and of its program), its version, and where it comes from.
struct Agent {
    name: &'static str,
    version: &'static str,
    from: From,
}

enum From {
    /// A package of npm, and the oldest Node that runs it.
    Npm(&'static str, u32),
    /// A package of PyPI.
    PyPi(&'static str),
}

/// The slowest first, so that they are not what is waited for at the end.
const AGENTS: &[Agent] = &[
    Agent {
        name: "aider",
        version: "0.86.2",
        from: From::PyPi("aider-chat"),
    },
    Agent {
        name: "pi",
        version: "0.73.1",
        from: From::Npm("@mariozechner/pi-coding-agent", 20),
    },
    Agent {
        name: "opencode",
        version: "1.18.33",
        from: From::Npm("opencode-ai", 18),
    },
    Agent {
        name: "codex",
        version: "0.169.0",
        from: From::Npm("@openai/codex", 18),
    },
    Agent {
        name: "claude",
        version: "2.1.197",
        from: From::Npm("@anthropic-ai/claude-code", 18),
    },
    Agent {
        name: "gemini",
        version: "0.61.0",
        from: From::Npm("@google/gemini-cli", 20),
    },
];

/// Pythons that can run what comes from PyPI: aider refuses newer ones.
const PYTHONS: &[&str] = &["python3.12", "python3.11", "python3.10", "python3"];

/// The most that one installation may take; a registry that does not answer must not hold up the tests.
const INSTALL_MAX: Duration = Duration::from_mins(8);
/// The most that a program may take to say its version, on a busy machine.
const VERSION_MAX: Duration = Duration::from_mins(1);
/// How many are installed at once: they wait for the net and the disk as much as for a processor.
const AT_ONCE: usize = 3;

/// Installs what is missing, and says how it stands. Whether all of it is there.
pub(crate) fn install() -> bool {
    let begun = Instant::now();
    let folder = folder();
    let outcomes = match prepare(&folder) {
        Ok(_lock) => all(&folder),
        Err(error) => {
            println!(
                "== agents: cannot use {}: {error}; SKEP_AGENTS names another folder",
                folder.display()
            );
            return false;
        }
    };
    let mut ready = 0;
    for (agent, outcome) in AGENTS.iter().zip(outcomes) {
        match outcome {
            Ok(()) => ready += 1,
            Err(why) => println!(
                "== agents: SKIPPED {} {}: {why}; none of its tests will run",
                agent.name, agent.version
            ),
        }
    }
    println!(
        "== agents: {ready} of {} in {}, {:.0?}",
        AGENTS.len(),
        folder.display(),
        begun.elapsed()
    );
    ready == AGENTS.len()
}

/// `SKEP_AGENTS`, or `target/agents` of this repository.
fn folder() -> PathBuf {
    std::env::var_os("SKEP_AGENTS").map_or_else(
        || {
            let here = Path::new(env!("CARGO_MANIFEST_DIR"));
            here.parent().unwrap_or(here).join("target/agents")
        },
        PathBuf::from,
    )
}

/// The folder, and the lock that keeps two of these apart: half of one installation is of no use to another.
fn prepare(folder: &Path) -> io::Result<File> {
    fs::create_dir_all(folder.join("bin"))?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    Ok(lock)
}

fn all(folder: &Path) -> Vec<Result<(), String>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(agent) = AGENTS.get(at) else {
                return done;
            };
            let outcome = one(folder, agent);
            if outcome.is_err() {
                // Tests look only here: one that cannot be used must not look as if it could.
                let _ = fs::remove_file(folder.join("bin").join(agent.name));
            }
            done.push((at, outcome));
        }
    };
    let mut done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| worker.join());
        ended.flat_map(Result::unwrap_or_default).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Makes one ready: installed as pinned, on `bin/`, and of the version that it should have.
fn one(folder: &Path, agent: &Agent) -> Result<(), String> {
    let home = folder.join(format!("{}-{}", agent.name, agent.version));
    let program = match agent.from {
        From::Npm(..) => home.join("node_modules/.bin").join(agent.name),
        From::PyPi(_) => home.join("bin").join(agent.name),
    };
    let ready = home.join("ready");
    if !ready.exists() {
        let begun = Instant::now();
        let cannot = |e: io::Error| format!("cannot write below {}: {e}", home.display());
        if home.exists() {
            fs::remove_dir_all(&home).map_err(cannot)?;
        }
        fs::create_dir_all(&home).map_err(cannot)?;
        match agent.from {
            From::Npm(package, node) => npm(&home, package, agent.version, node)?,
            From::PyPi(package) => pypi(&home, package, agent.version)?,
        }
        version(&program, agent, &home)?;
        File::create(&ready).map_err(cannot)?;
        println!(
            "== agents: {} {} installed, {:.0?}",
            agent.name,
            agent.version,
            begun.elapsed()
        );
    } else {
        version(&program, agent, &home)?;
    }
    link(&program, &folder.join("bin").join(agent.name))
}

/// Whether the program runs here and is the one that was pinned.
fn version(program: &Path, agent: &Agent, home: &Path) -> Result<(), String> {
    // A home of its own: asking for a version must not begin somebody's configuration, or read it.
    let mut command = command(program, home);
    command.arg("--version").env("HOME", home.join("home"));
    let said = run(command, &home.join("version.log"), VERSION_MAX)?;
    let words = || said.split_whitespace().map(|w| w.trim_start_matches('v'));
    if words().any(|word| word == agent.version) {
        Ok(())
    } else {
        Err(format!(
            "expected version {}, found {:?}; remove {} to install it again",
            agent.version,
            said.trim(),
            home.display()
        ))
    }
}

fn npm(home: &Path, package: &str, version: &str, oldest: u32) -> Result<(), String> {
    let mut node = command(Path::new("node"), home);
    node.arg("--version");
    let said = run(node, &home.join("node.log"), VERSION_MAX)?;
    let major = said.trim().trim_start_matches('v').split('.').next();
    if major
        .and_then(|m| m.parse().ok())
        .is_none_or(|m: u32| m < oldest)
    {
        return Err(format!(
            "expected Node {oldest} or newer, found {:?}",
            said.trim()
        ));
    }
    let mut npm = command(Path::new("npm"), home);
    npm.args(["install", "--no-audit", "--no-fund", "--no-save"])
        .args(["--loglevel=error", "--prefix"])
        .arg(home)
        .arg(format!("{package}@{version}"));
    run(npm, &home.join("install.log"), INSTALL_MAX).map(drop)
}

fn pypi(home: &Path, package: &str, version: &str) -> Result<(), String> {
    let usable = |python: &&&str| {
        let mut ask = command(Path::new(python), home);
        ask.args([
            "-c",
            "import sys, venv, ensurepip; print(sys.version_info[1])",
        ]);
        run(ask, &home.join("python.log"), VERSION_MAX)
            .is_ok_and(|said| matches!(said.trim(), "10" | "11" | "12"))
    };
    let python = PYTHONS.iter().find(usable).ok_or(
        "expected a Python from 3.10 to 3.12 with venv, found none (`apt-get install python3-venv`)",
    )?;
    let mut venv = command(Path::new(python), home);
    venv.args(["-m", "venv"]).arg(home);
    run(venv, &home.join("venv.log"), INSTALL_MAX)?;
    let mut pip = command(&home.join("bin/pip"), home);
    pip.args(["install", "--quiet", "--no-input"])
        .arg("--disable-pip-version-check")
        .arg(format!("{package}=={version}"));
    run(pip, &home.join("install.log"), INSTALL_MAX).map(drop)
}

#[allow(clippy::disallowed_methods)] // The directory is chosen here.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    command
}

/// Runs a command to its end, or for so long, and gives what it printed; all of that stays in `log`.
fn run(mut command: Command, log: &Path, most: Duration) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let cannot = |e: io::Error| format!("cannot run {name}: {e}");
    let file = File::create(log).map_err(cannot)?;
    let errors = file.try_clone().map_err(cannot)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .map_err(cannot)?;
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().map_err(cannot)? {
            Some(status) => break status,
            None if begun.elapsed() > most => {
                // Gone already, if it cannot be killed.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{name} took longer than {most:.0?}"));
            }
            None => thread::sleep(Duration::from_millis(50)),
        }
    };
    let said = String::from_utf8_lossy(&fs::read(log).map_err(cannot)?).into_owned();
    if status.success() {
        return Ok(said);
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    Err(format!(
        "{name} failed ({status}): {}; all of it is in {}",
        last.unwrap_or("it said nothing"),
        log.display()
    ))
}

/// Links `to` at `at`, in one step: tests may be running.
fn link(to: &Path, at: &Path) -> Result<(), String> {
    let next = at.with_extension("next");
    let cannot = |e: io::Error| format!("cannot link {}: {e}", at.display());
    match fs::remove_file(&next) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(cannot(e)),
        _ => {}
    }
    let to = fs::canonicalize(to.parent().unwrap_or(to)).map_err(cannot)?;
    let name = at.file_name().unwrap_or_default();
    std::os::unix::fs::symlink(to.join(name), &next).map_err(cannot)?;
    fs::rename(&next, at).map_err(cannot)
}
