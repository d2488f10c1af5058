//! Handing variables to a shim that no file may hold and no process list may show: keys, mostly.
//!
//! A shim that is this process's child gets them in its environment, under names of their own, so that what the
//! shim itself runs (git) is not steered by them. One that tmux starts has a command line that everybody can read;
//! it reads them from this process's memory, by a path that only this user can open.

use super::files::Passed;
use rustix::fs::{MemfdFlags, memfd_create};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::{self, Write},
    os::fd::{AsRawFd, OwnedFd},
};

/// Before the name of a variable that is handed over.
const PREFIX: &str = "SKEP_PASS_";
/// Where they are to be read.
const PLACE: &str = "SKEP_PASSED";

/// What is to be handed over.
#[derive(Clone, Debug)]
pub(crate) struct Handover(Passed);

/// Keeps it where the shim can read it.
pub(crate) struct Held(OwnedFd);

impl Handover {
    pub(crate) fn new(passed: &Passed) -> Handover {
        Handover(passed.clone())
    }

    /// For a child's environment.
    pub(crate) fn as_child(&self) -> impl Iterator<Item = (String, &String)> {
        let all = self.0.0.iter();
        all.map(|(name, value)| (format!("{PREFIX}{name}"), value))
    }

    /// For anybody else; none if there is nothing.
    pub(crate) fn hold(&self) -> io::Result<Option<Held>> {
        if self.0.0.is_empty() {
            return Ok(None);
        }
        let fd = memfd_create("skep-passed", MemfdFlags::CLOEXEC)?;
        let mut file = fs::File::from(fd);
        file.write_all(&serde_json::to_vec(&self.0.0)?)?;
        Ok(Some(Held(file.into())))
    }
}

impl Held {
    /// The variable that tells the shim where it is.
    pub(crate) fn variable(&self) -> (OsString, OsString) {
        let (pid, fd) = (std::process::id(), self.0.as_raw_fd());
        (PLACE.into(), format!("/proc/{pid}/fd/{fd}").into())
    }
}

/// What this process, a shim, was handed.
///
/// # Errors
/// When it is not there any more: whoever started this process has ended.
pub(crate) fn taken() -> io::Result<BTreeMap<String, String>> {
    if let Some(place) = std::env::var_os(PLACE) {
        return Ok(serde_json::from_slice(&fs::read(place)?)?);
    }
    let text = |text: OsString| text.into_string().ok();
    let own = std::env::vars_os().filter_map(|(name, value)| {
        let name = text(name)?.strip_prefix(PREFIX)?.to_string();
        Some((name, text(value)?))
    });
    Ok(own.collect())
}
