//! Agents' homes: `.skep/agents/w1/claude`, one for each worker and agent. What one agent writes there changes no
//! other one, and the user's own configuration is neither read nor touched; logins are lent by links.

use super::Choice;
use crate::{
    run::talk::{PatienceMs, Talk},
    site::Site,
};
use skep_agents::{Cancel, HomeFile, Launch, Login, Place, Settings, Stdin};
use skep_core::{id::WorkerId, plan::Order};
use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink},
    path::{Path, PathBuf},
};

/// An agent that can be started.
pub(crate) struct Prepared {
    pub(crate) launch: Launch,
    pub(crate) talk: Talk,
}

/// Makes an agent's home ready; harmless to do again. `env` is the keeper's own environment, `program` is Skep's.
pub(crate) fn prepare(
    site: &Site,
    order: &Order,
    place: &Place<'_>,
    choice: &Choice,
    env: &BTreeMap<String, String>,
    program: &str,
) -> Result<Prepared, String> {
    let home = of_worker(site, order.worker).join(&order.agent);
    let spec = order.agent_spec.as_ref();
    let settings = Settings {
        home: home
            .to_str()
            .ok_or_else(|| format!("{} is not UTF-8; move the repository", home.display()))?,
        permission: choice.permission,
        resume: None,
        env: spec.map(|spec| spec.env.clone()).unwrap_or_default(),
        args: spec.map(|spec| spec.args.clone()).unwrap_or_default(),
        // By its token, and for its own attempt alone (U-8).
        mcp: Some(vec![program.into(), "mcp".into()]),
    };
    // To the adapter, settings alone are no configured command.
    let own = spec.is_some_and(|spec| spec.command.is_empty());
    let mut told = order.clone();
    if own {
        told.agent_spec = None;
    }
    let launch = choice
        .adapter
        .launch(&told, place, &settings)
        .map_err(|fault| fault.to_string())?;
    // The environment of a plain command is the user's, home included.
    let apart = !launch.pass.is_empty();
    if apart {
        lay_out(&home, &launch, env)
            .map_err(|e| format!("cannot prepare {}: {e}", home.display()))?;
    }
    let limits = &order.limits.agents;
    let about = choice.about();
    // What it needs no more, and what is in the run's environment.
    (told.agent_spec, told.previous, told.setup) = (None, None, Vec::new());
    let talk = Talk {
        adapter: choice.name.map(Into::into),
        rules: choice.rules.clone(),
        order: Box::new(told),
        worktree: place.worktree.into(),
        home: settings.home.into(),
        permission: settings.permission,
        resume: settings.resume.map(Into::into),
        dialogue: launch.stdin == Stdin::Dialogue,
        interrupt_by_signal: about.is_none_or(|about| about.can.cancel == Cancel::Interrupt),
        env: apart.then(|| environment(&launch, env)),
        pass: launch.pass.iter().map(ToString::to_string).collect(),
        patience: PatienceMs {
            first: limits.first_reply.0,
            reply: limits.reply.0,
            tool: limits.tool.0,
            retries: limits.retries,
        },
        metering_ms: limits.metering.0,
        ask_total_ms: limits.ask_total.0,
    };
    Ok(Prepared { launch, talk })
}

/// What an agent's environment is set to, beside what is handed on to it.
fn environment(launch: &Launch, env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut set = launch.env.clone();
    let Some(user) = env.get("HOME").map(Path::new) else {
        return set;
    };
    for (name, below) in launch.tools {
        let there = user.join(below);
        if !env.contains_key(*name)
            && there.exists()
            && let Some(there) = there.to_str()
        {
            set.entry((*name).into()).or_insert_with(|| there.into());
        }
    }
    set
}

fn lay_out(home: &Path, launch: &Launch, env: &BTreeMap<String, String>) -> io::Result<()> {
    folder(home)?;
    for file in &launch.files {
        write(home, file)?;
    }
    if let Some(user) = env.get("HOME") {
        for login in &launch.logins {
            lend(home, Path::new(user), login)?;
        }
    }
    Ok(())
}

fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Adapters name places below the home; anything else is a bug, and must not become a file somewhere.
fn inside(home: &Path, path: &str) -> io::Result<PathBuf> {
    let path = PathBuf::from(path);
    let below = path.strip_prefix(home).is_ok_and(|rest| {
        rest.components()
            .all(|part| matches!(part, std::path::Component::Normal(_)))
    });
    if !below {
        let text = format!("{} is not below {}", path.display(), home.display());
        return Err(io::Error::other(text));
    }
    if let Some(parent) = path.parent() {
        folder(parent)?;
    }
    Ok(path)
}

fn write(home: &Path, file: &HomeFile) -> io::Result<()> {
    let path = inside(home, &file.path)?;
    if fs::read(&path).is_ok_and(|there| there == file.content.as_bytes()) {
        return Ok(());
    }
    let next = path.with_extension("skep-tmp");
    let _ = fs::remove_file(&next);
    let mut options = OpenOptions::new();
    let mut new = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&next)?;
    new.write_all(file.content.as_bytes())?;
    fs::rename(&next, &path)
}

/// Links the user's login, if there is one. What the agent has put in the link's place stays: it may be a login
/// that was renewed.
fn lend(home: &Path, user: &Path, login: &Login) -> io::Result<()> {
    let from = user.join(login.from);
    let to = inside(home, &login.to)?;
    match fs::read_link(&to) {
        Ok(there) if there == from => return Ok(()),
        Ok(_) => fs::remove_file(&to)?,
        Err(_) if to.exists() => return Ok(()),
        Err(_) => {}
    }
    if from.is_file() {
        symlink(&from, &to)?;
    }
    Ok(())
}

fn of_worker(site: &Site, worker: WorkerId) -> PathBuf {
    site.agents().join(worker.to_string())
}

/// The workers' folders with their agents' homes.
#[must_use]
pub fn homes(site: &Site) -> Vec<PathBuf> {
    let entries = fs::read_dir(site.agents()).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// Removes the homes of a worker that is gone.
pub(crate) fn remove_homes(site: &Site, worker: WorkerId) -> io::Result<()> {
    match fs::remove_dir_all(of_worker(site, worker)) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        _ => {
            // The last one takes the folder along; any other finds it in use.
            let _ = fs::remove_dir(site.agents());
            Ok(())
        }
    }
}
