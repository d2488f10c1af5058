//! Where the layers are: three files, the environment, and what a command was given.

use super::{Content, Layer, Layers, OneValue, Rank};
use crate::{config, near};
use skep_host::trust::Trust;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// The repository's configuration.
pub const PROJECT: &str = "skep.toml";
/// One person's for this repository, which nobody commits.
pub const LOCAL: &str = "skep.local.toml";

/// Why the layers cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// A file is there and cannot be read.
    #[error("cannot read {}", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// A file is not text.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// A variable or an option names no key.
    #[error("{name} names no key of the configuration")]
    NoSuchKey {
        /// The variable or the option.
        name: String,
        /// The one that was meant, if any is near.
        near: Option<String>,
    },
    /// A variable's value is not text.
    #[error("{0} is not UTF-8 text")]
    NotTextual(String),
}

impl LayerError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            LayerError::Unreadable(..) => "mend its permissions, or move it away".into(),
            LayerError::NotText(_) => "save it as UTF-8 text".into(),
            LayerError::NotTextual(_) => "unset it, or give it a text".into(),
            LayerError::NoSuchKey { near, .. } => match near {
                Some(near) => format!("did you mean {near}?"),
                None => "`skep config` lists the keys".into(),
            },
        }
    }
}

/// A file that is a layer where it exists.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LayerFile {
    /// Which layer.
    pub rank: Rank,
    /// Where.
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
    /// Whether it may do more than set numbers; for a repository's, somebody must have said so.
    pub trusted: bool,
}

/// The places that the environment names.
#[derive(Clone, Debug, Default)]
pub struct Places {
    config: Option<PathBuf>,
    state: Option<PathBuf>,
    /// Variables that state values.
    variables: Vec<(String, OsString)>,
}

impl Places {
    /// From variables, as `std::env::vars_os` has them.
    #[must_use]
    pub fn of(env: impl Iterator<Item = (OsString, OsString)>) -> Places {
        let mut all: BTreeMap<String, OsString> = BTreeMap::new();
        all.extend(env.filter_map(|(name, value)| Some((name.into_string().ok()?, value))));
        // As the XDG rules have it: what is no absolute path counts as not set.
        let absolute = |name: &str| {
            let path = PathBuf::from(all.get(name)?);
            path.is_absolute().then_some(path)
        };
        let home = absolute("HOME");
        let or = |name: &str, below: &str| {
            absolute(name).or_else(|| home.as_ref().map(|home| home.join(below)))
        };
        let stated = |name: &&String| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        Places {
            config: or("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("skep")),
            state: or("XDG_STATE_HOME", ".local/state").map(|dir| dir.join("skep")),
            variables: all
                .iter()
                .filter(|(name, _)| stated(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        }
    }

    /// The user's own file.
    #[must_use]
    pub fn user(&self) -> Option<PathBuf> {
        Some(self.config.as_ref()?.join("config.toml"))
    }

    /// What the user trusts.
    #[must_use]
    pub fn trust(&self) -> Option<Trust> {
        self.state.as_deref().map(Trust::at)
    }
}

/// How variables that state values begin. Others of Skep's (`SKEP_TOKEN`, `SKEP_SWARM`) are no configuration.
const PREFIXES: [&str; 2] = ["SKEP_POLICY_", "SKEP_SWARM_"];

impl Layers {
    /// Finds and reads the layers of the repository at `root`. They are not judged yet.
    ///
    /// # Errors
    /// [`LayerError`].
    pub fn find(root: &Path, places: &Places) -> Result<(Layers, Vec<LayerFile>), LayerError> {
        let (mut layers, mut files) = (Vec::new(), Vec::new());
        let user = places.user().map(|path| (Rank::User, path));
        let repository = [
            (Rank::Project, root.join(PROJECT)),
            (Rank::Local, root.join(LOCAL)),
        ];
        for (rank, path) in user.into_iter().chain(repository) {
            let content = read(&path)?;
            let trusted = match (&content, rank) {
                (Some(content), Rank::Project) => places
                    .trust()
                    .is_some_and(|trust| trust.holds(&path, content.as_bytes())),
                _ => true,
            };
            files.push(LayerFile {
                rank,
                path: path.clone(),
                exists: content.is_some(),
                trusted,
            });
            let name = match rank {
                Rank::User => path.display().to_string(),
                Rank::Local => LOCAL.into(),
                _ => PROJECT.into(),
            };
            layers.extend(content.map(|text| Layer {
                rank,
                content: Content::File(name, text),
                trusted,
            }));
        }
        let variables = variables(places)?;
        if !variables.is_empty() {
            layers.push(Layer {
                rank: Rank::Environment,
                content: Content::Values(variables),
                trusted: true,
            });
        }
        Ok((Layers(layers), files))
    }

    /// Adds what a command was given: `KEY=VALUE` each.
    ///
    /// # Errors
    /// The first that names no key.
    pub fn set(&mut self, options: &[String]) -> Result<(), LayerError> {
        let known = keys();
        let mut values = Vec::new();
        for option in options {
            let (key, text) = option.split_once('=').unwrap_or((option, ""));
            let key = key.trim();
            let long = format!("policy.{key}");
            let key = [key, &long]
                .into_iter()
                .find(|key| known.iter().any(|k| k == key));
            let Some(key) = key.filter(|_| option.contains('=')) else {
                let written = option.split('=').next().unwrap_or_default();
                let short = known.iter().map(|k| k.strip_prefix("policy.").unwrap_or(k));
                let near = near::nearest(written, short).map(|near| format!("--set {near}=…"));
                let name = format!("--set {option}");
                return Err(LayerError::NoSuchKey { name, near });
            };
            values.push(OneValue {
                key: key.into(),
                name: format!("--set {option}"),
                text: text.trim().into(),
            });
        }
        if !values.is_empty() {
            self.0.push(Layer {
                rank: Rank::Flag,
                content: Content::Values(values),
                trusted: true,
            });
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Option<String>, LayerError> {
    match fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(LayerError::NotText(path.into())),
        },
        // A file where a folder should be is no configuration either.
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(LayerError::Unreadable(path.into(), error)),
    }
}

fn variables(places: &Places) -> Result<Vec<OneValue>, LayerError> {
    if places.variables.is_empty() {
        return Ok(Vec::new());
    }
    let known: BTreeMap<String, String> = keys().into_iter().map(|k| (variable(&k), k)).collect();
    let mut values = Vec::new();
    for (name, value) in &places.variables {
        let Some(key) = known.get(name) else {
            let near = near::nearest(name, known.keys().map(String::as_str));
            return Err(LayerError::NoSuchKey {
                name: format!("the variable {name}"),
                near: near.map(ToString::to_string),
            });
        };
        let Some(text) = value.to_str() else {
            return Err(LayerError::NotTextual(name.clone()));
        };
        values.push(OneValue {
            key: key.clone(),
            name: format!("${name}"),
            text: text.into(),
        });
    }
    Ok(values)
}

/// The variable that states a key's value.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("SKEP_{}", key.to_uppercase().replace('.', "_"))
}

/// Every key that one value can be stated for: of the policy and of the swarm.
#[must_use]
pub fn keys() -> Vec<String> {
    let all = config::keys(&["policy", "swarm"]);
    all.into_iter()
        .filter(|k| !k.starts_with("swarm.budget"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    // proves: U-11
    #[test]
    fn every_key_has_a_variable_of_its_own() {
        let keys = keys();
        for key in [
            "policy.concurrency",
            "policy.budget.usd",
            "policy.health.ask",
            "swarm.agent",
        ] {
            assert!(keys.iter().any(|k| k == key), "{key} of {keys:#?}");
        }
        let names: BTreeSet<String> = keys.iter().map(|key| variable(key)).collect();
        assert_eq!(names.len(), keys.len());
        assert!(
            names
                .iter()
                .all(|n| PREFIXES.iter().any(|p| n.starts_with(p)))
        );
    }

    // proves: U-11
    #[test]
    fn places_follow_the_xdg_rules() {
        let of = |vars: &[(&str, &str)]| {
            Places::of(vars.iter().map(|(k, v)| ((*k).into(), (*v).into()))).user()
        };
        let home = ("HOME", "/home/a");
        assert_eq!(of(&[home]), Some("/home/a/.config/skep/config.toml".into()));
        let set = ("XDG_CONFIG_HOME", "/c");
        assert_eq!(of(&[home, set]), Some("/c/skep/config.toml".into()));
        let relative = ("XDG_CONFIG_HOME", "c");
        assert_eq!(of(&[home, relative]), of(&[home]));
        assert_eq!(of(&[]), None);
    }
}
