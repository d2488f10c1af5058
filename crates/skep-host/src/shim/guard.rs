//! What a step knows and nobody may keep, and how it is taken out of what the step prints (T-2).
//!
//! The values stay in this process: they come from its memory, and from the login that the agent is lent.

use super::streams::From;
use crate::run::{
    RESULT,
    files::{RunSpec, StepSpec},
    talk,
};
use crate::token;
use skep_agents::{
    Adapter, LoginBy, RESULT_MAX,
    redact::{Cleaner, Secrets},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::Path,
};

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

/// Takes the secrets out of what the agent left in its result's file, before anybody reads it. What is larger than
/// anybody reads is cut.
pub(super) fn clean_result(folder: &Path, secrets: &Secrets) {
    let place = folder.join(RESULT);
    // A link leads to what is not ours.
    let Some(there) = fs::symlink_metadata(&place)
        .ok()
        .filter(|there| there.is_file())
    else {
        return;
    };
    let mut content = Vec::new();
    let read = File::open(&place).and_then(|f| f.take(RESULT_MAX).read_to_end(&mut content));
    let text = String::from_utf8_lossy(&content);
    let clean = secrets.clean(&text);
    if read.is_ok() && clean == text && there.len() <= RESULT_MAX {
        return;
    }
    // Whole or not at all; what cannot be made clean must not stay.
    let next = folder.join("result.tmp");
    if fs::write(&next, clean)
        .and_then(|()| fs::rename(&next, &place))
        .is_err()
    {
        let _ = fs::remove_file(&next);
        let _ = fs::remove_file(&place);
    }
}

/// Where a step's streams are: a secret can be cut anywhere, and never goes on in the other stream.
#[derive(Default)]
pub(super) struct Flows {
    output: Cleaner,
    errors: Cleaner,
}

impl Flows {
    pub(super) fn new(step: &StepSpec) -> Flows {
        // What nobody understands is cleaned as it is; the dialogue complains of it.
        let adapter = step
            .talk
            .as_deref()
            .and_then(|talk| talk::adapter(talk).ok());
        Flows {
            output: adapter.map_or_else(Cleaner::default, |adapter| adapter.cleaner()),
            errors: Cleaner::default(),
        }
    }

    pub(super) fn of(&mut self, from: From) -> &mut Cleaner {
        match from {
            From::Output => &mut self.output,
            From::Errors => &mut self.errors,
        }
    }
}
