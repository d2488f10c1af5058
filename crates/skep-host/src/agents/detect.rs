//! Which of the agents that Skep knows are on this machine, and whether a plan's are.

use super::choose::permission;
use crate::command::command;
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{MemfdFlags, memfd_create},
    process::{Pid, PidfdFlags, pidfd_open},
};
use skep_agents::{About, KNOWN, LoginBy, Permission, version_in};
use skep_core::spec::Plan;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs::File,
    io::{self, Read, Seek},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Programs in an interpreter need some seconds to say their version on a machine under load.
const VERSION_LIMIT: Duration = Duration::from_secs(20);
/// A version is a line.
const VERSION_MOST: u64 = 64 * 1024;

/// What is known of an agent on this machine.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it is and can.
    pub about: About,
    /// Its program, if it is on the path.
    pub program: Option<PathBuf>,
    /// Its version, if it says one.
    pub version: Option<String>,
    /// Where a login is. Nothing says whether it is good.
    pub login: Option<String>,
}

impl Found {
    /// What it may do without asking if nobody says otherwise.
    #[must_use]
    pub fn permission(&self) -> Permission {
        permission(Some(&self.about), None)
    }

    /// Where a login could be, for people.
    #[must_use]
    pub fn logins(&self) -> String {
        let all = self.about.logins.iter().map(|login| match login {
            LoginBy::Env(name) => (*name).to_string(),
            LoginBy::File(path) => format!("~/{path}"),
        });
        all.collect::<Vec<_>>().join(", ")
    }
}

/// Looks for every agent that Skep knows. `env` is what agents would be started from.
#[must_use]
pub fn detect(env: &BTreeMap<String, String>) -> Vec<Found> {
    let path = env.get("PATH").map_or("", String::as_str);
    // Each takes a moment to say its version: all at once.
    thread::scope(|scope| {
        let asked: Vec<_> = KNOWN
            .iter()
            .map(|about| {
                let program = on_path(about.program, path.as_ref());
                scope.spawn(move || Found {
                    about: *about,
                    version: program.as_ref().and_then(|p| version(p, about, path)),
                    program,
                    login: login(about, env),
                })
            })
            .collect();
        asked
            .into_iter()
            .filter_map(|one| one.join().ok())
            .collect()
    })
}

/// A program as a shell would find it, in absolute folders only.
fn on_path(program: &str, path: &OsStr) -> Option<PathBuf> {
    let runs = |file: &PathBuf| {
        let meta = file.metadata();
        meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(runs)
}

fn login(about: &About, env: &BTreeMap<String, String>) -> Option<String> {
    let home = env.get("HOME").map(Path::new);
    about.logins.iter().find_map(|login| match login {
        LoginBy::Env(name) => env
            .get(*name)
            .filter(|value| !value.is_empty())
            .map(|_| (*name).to_string()),
        LoginBy::File(path) => home
            .filter(|home| home.join(path).is_file())
            .map(|_| format!("~/{path}")),
    })
}

/// Asks a program for its version: in an empty home, without any key, and not for ever.
fn version(program: &Path, about: &About, path: &str) -> Option<String> {
    let home = tempfile(about.name).ok()?;
    let said = ask(program, about, path, &home);
    let _ = std::fs::remove_dir_all(&home);
    Some(version_in(&said.ok()?)?.to_string())
}

/// A folder of this process's own.
fn tempfile(name: &str) -> io::Result<PathBuf> {
    let home = std::env::temp_dir().join(format!("skep-version-{name}-{}", std::process::id()));
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&home)?;
    Ok(home)
}

fn ask(program: &Path, about: &About, path: &str, home: &Path) -> io::Result<String> {
    // A file in memory: a program that prints and prints never waits for us, nor we for it.
    let mut said = File::from(memfd_create("version", MemfdFlags::CLOEXEC)?);
    let mut command = command(program, home);
    command
        .args(about.version)
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("NO_COLOR", "1")
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?);
    let mut child = command.spawn()?;
    let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
    let limit = crate::shim::tree::timespec(VERSION_LIMIT);
    if poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit)) == Ok(0) {
        let _ = child.kill();
    }
    child.wait()?;
    said.rewind()?;
    let mut text = Vec::new();
    said.take(VERSION_MOST).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Why a plan's agents cannot do it on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unable {
    /// The program is not there.
    #[error("the plan uses the agent {agent:?}, and its program `{program}` is not on PATH")]
    Missing {
        /// The agent.
        agent: String,
        /// Its program.
        program: &'static str,
    },
    /// It has no way to keep to what the plan allows.
    #[error(
        "the plan holds the agent {agent:?} to `permission = \"{asked}\"`, and the least that it can be held to is \"{able}\""
    )]
    CannotHold {
        /// The agent.
        agent: String,
        /// What the plan says.
        asked: &'static str,
        /// What it can be held to.
        able: &'static str,
    },
}

impl Unable {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Unable::Missing { agent, .. } => format!(
                "install it, or choose another agent; `skep doctor` shows which are here, and [agents.{agent}] with \
                 `command` runs a program of your own"
            ),
            Unable::CannotHold { able, .. } => format!(
                "set `permission = \"{able}\"` for it if the machine is a sandbox, or choose another agent"
            ),
        }
    }
}

/// Whether the agents that a plan's tasks use are here, and can be held to what it allows them. Commands of the
/// user's own are not looked at: only their run tells.
///
/// # Errors
/// The first that cannot.
pub fn check_plan(plan: &Plan, path: &OsStr) -> Result<(), Unable> {
    let swarm = &plan.swarm;
    let used = plan
        .tasks
        .iter()
        .map(|task| task.agent.as_ref().unwrap_or(&swarm.agent));
    let used: BTreeSet<&String> = used.collect();
    for agent in used {
        let spec = swarm.agents.get(agent);
        if spec.is_some_and(|spec| !spec.command.is_empty()) {
            continue;
        }
        let Some(about) = KNOWN.iter().find(|about| about.name == agent) else {
            continue;
        };
        let of_roles = swarm.roles.values().filter_map(|role| role.permission);
        let own = spec.and_then(|spec| spec.permission);
        let asked = match own {
            Some(own) => Some(own),
            None => of_roles.chain(swarm.permission).min(),
        };
        if let Some(asked) = asked.filter(|asked| *asked < about.least) {
            return Err(Unable::CannotHold {
                agent: agent.clone(),
                asked: asked.word(),
                able: about.least.word(),
            });
        }
        if on_path(about.program, path).is_none() {
            return Err(Unable::Missing {
                agent: agent.clone(),
                program: about.program,
            });
        }
    }
    Ok(())
}
