//! Secrets are read where a message is sent, each time anew: they are in no plan, log, event or answer.

use super::Trouble;
use skep_core::alert::route::{Secret, Url};
use std::io::Read;

/// The longest secret, in bytes: an address or a key.
const LONGEST: u64 = 8 * 1024;

/// What is kept there.
pub(super) fn read(secret: &Secret) -> Result<String, Trouble> {
    let text = match secret {
        Secret::Env(name) => std::env::var(name).map_err(|_| {
            Trouble::lasting(format!(
                "the keeper's environment has no {name}; set it and start the keeper anew"
            ))
        })?,
        Secret::File(path) => {
            let cannot = |error| Trouble::lasting(format!("cannot read {path}: {error}"));
            let file = std::fs::File::open(path).map_err(cannot)?;
            let mut text = String::new();
            file.take(LONGEST)
                .read_to_string(&mut text)
                .map_err(cannot)?;
            text
        }
    };
    let text = text.trim().to_string();
    if text.is_empty() {
        let place = match secret {
            Secret::Env(name) => name,
            Secret::File(path) => path,
        };
        return Err(Trouble::lasting(format!("{place} is empty")));
    }
    Ok(text)
}

/// The address that a route has.
pub(super) fn address(url: &Url) -> Result<String, Trouble> {
    match url {
        Url::Plain(url) => Ok(url.clone()),
        Url::Kept(secret) => read(secret),
    }
}
