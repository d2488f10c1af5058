//! The systemd unit of a repository's keeper.

use crate::{
    failure::{Exit, Failure},
    place::Place,
};
use skep_core::time::Millis;
use std::{ffi::OsStr, time::Duration};

/// A user unit. systemd is the watchdog then: there is no other beside it.
pub(super) fn text(
    place: &Place,
    hung_after: Duration,
    listen: &[String],
) -> Result<String, Failure> {
    let program = std::env::current_exe()
        .map_err(|e| Failure::new(Exit::Refused, "cannot find the skep program").because(&e))?;
    let root = place.repo.root();
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let hung = Millis(u64::try_from(hung_after.as_millis()).unwrap_or(u64::MAX));
    let (program, root) = (word(program.as_os_str())?, word(root.as_os_str())?);
    let path = word(&std::env::var_os("PATH").unwrap_or_default())?;
    let seconds = hung_after.as_secs_f64();
    let listen = listen
        .iter()
        .map(|w| Ok(format!(" {}", self::word(OsStr::new(w))?)));
    let listen: String = listen.collect::<Result<_, Failure>>()?;
    Ok(format!(
        "\
# skep up --systemd-unit > ~/.config/systemd/user/skep-{name}.service
# systemctl --user daemon-reload && systemctl --user enable --now skep-{name}
# loginctl enable-linger    keeps it while you are logged out
[Unit]
Description=Skep keeps a swarm of coding agents ({name})
# Five failures within twenty minutes are too many: then a person must look.
StartLimitIntervalSec=1200
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} -C {root} up --hung-after {hung}{listen}
# Agents are looked for here.
Environment=\"PATH={bare}\"
WatchdogSec={seconds}
Restart=always
RestartSec=1
# What a person ended (skep down, Ctrl-C, kill) stays ended; 2 is a mistake that starting again does not mend.
RestartPreventExitStatus=0 2 130 143
SuccessExitStatus=130 143
# Only the keeper: attempts run on under their shims, and the next keeper adopts them.
KillMode=process
TimeoutStartSec=300
TimeoutStopSec=60

[Install]
WantedBy=default.target
",
        bare = path.trim_matches('"')
    ))
}

/// A word of a unit's command line: quoted, with nothing that systemd would expand.
fn word(text: &OsStr) -> Result<String, Failure> {
    let plain = text
        .to_str()
        .filter(|text| !text.contains(|c: char| c.is_control()));
    let plain = plain.ok_or_else(|| {
        Failure::usage(format!("{text:?} cannot be written in a unit"))
            .hint("move the repository to a path of ordinary characters")
    })?;
    let mut out = String::from("\"");
    for c in plain.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '%' | '$' => out.extend([c, c]),
            _ => out.push(c),
        }
    }
    out.push('"');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: T-3
    #[test]
    fn paths_are_words_that_systemd_does_not_expand() {
        let word = |text: &str| word(OsStr::new(text)).unwrap();
        assert_eq!(word("/a b/c"), "\"/a b/c\"");
        assert_eq!(word("/%h/$HOME/\"\\"), "\"/%%h/$$HOME/\\\"\\\\\"");
        assert!(super::word(OsStr::new("/a\nExecStartPre=/bin/false")).is_err());
    }
}
