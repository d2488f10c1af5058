//! What a step knows and nobody may keep, and how it is taken out of what the step prints (T-2).
//!
//! The values stay in this process: they come from its memory, and from the login that the agent is lent.

use super::streams::From;
use crate::run::files::{RunSpec, StepSpec};
use crate::token;
use skep_agents::{
    Adapter, LoginBy,
    redact::{Flow, Secrets},
};
use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

/// A login's file is small; of a larger one the beginning is read.
const LOGIN_MAX: u64 = 256 * 1024;

/// The secrets of one step.
pub(super) fn secrets(
    spec: &RunSpec,
    step: &StepSpec,
    passed: &BTreeMap<String, String>,
    token: Option<&str>,
) -> Secrets {
    let talk = step.talk.as_deref();
    let own = talk.and_then(|talk| talk.env.as_ref());
    let mut secrets = Secrets::default();
    // All that was handed over, whether or not this step gets it: others of the run do.
    for all in [Some(passed), Some(&spec.env), own].into_iter().flatten() {
        secrets.add_variables(
            all.iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
    }
    if let Some(token) = token {
        secrets.add(token::VARIABLE, token);
    }
    let about = talk
        .and_then(|talk| Adapter::named(talk.adapter.as_deref()?))
        .and_then(|adapter| adapter.about());
    if let (Some(about), Some(talk)) = (about, talk) {
        for login in about.logins {
            if let LoginBy::File(name) = login {
                lent(&Path::new(&talk.home).join(name), &mut secrets);
            }
        }
    }
    secrets
}

fn lent(file: &Path, secrets: &mut Secrets) {
    let mut content = Vec::new();
    let read = File::open(file).and_then(|file| file.take(LOGIN_MAX).read_to_end(&mut content));
    let name = file.file_name().map(|name| name.to_string_lossy());
    if let (Ok(_), Some(name)) = (read, name) {
        secrets.add_file(&name, &String::from_utf8_lossy(&content));
    }
}

/// Where a step's streams are: a secret can be cut anywhere, and never goes on in the other stream.
#[derive(Default)]
pub(super) struct Flows {
    output: Flow,
    errors: Flow,
}

impl Flows {
    pub(super) fn of(&mut self, from: From) -> &mut Flow {
        match from {
            From::Output => &mut self.output,
            From::Errors => &mut self.errors,
        }
    }
}
