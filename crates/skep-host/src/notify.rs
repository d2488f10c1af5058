//! What a service tells systemd (`sd_notify(3)`): text datagrams to the socket that it was given.
//!
//! Best effort throughout: a manager that does not listen must not keep a keeper from its work.

use std::{
    ffi::OsString,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

/// The variables that carry the address. They are this process's alone: no agent may speak to the manager.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// A way to the service manager.
#[derive(Debug)]
pub struct Notify {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl Notify {
    /// The manager that the environment names; none when there is none, or its address is of another kind.
    #[must_use]
    pub fn from_env(get: impl Fn(&str) -> Option<OsString>) -> Option<Notify> {
        let place = get(VARIABLES[0])?;
        let address = match place.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(&place),
            _ => return None,
        };
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        let number = |name: &str| get(name)?.to_str()?.parse::<u64>().ok();
        // Meant for another process, if it names one: this one was started by it.
        let mine = number(VARIABLES[2]).is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number(VARIABLES[1]).filter(|usec| mine && *usec > 0);
        Some(Notify {
            socket,
            address: address.ok()?,
            watchdog: watchdog.map(Duration::from_micros),
        })
    }

    /// How long the manager waits for a sign of life, if it does.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Says something, such as `READY=1`.
    pub fn say(&self, text: &str) {
        let _ = self.socket.send_to_addr(text.as_bytes(), &self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn notify(env: &[(&str, &str)]) -> Option<Notify> {
        let env: BTreeMap<&str, &str> = env.iter().copied().collect();
        Notify::from_env(|name| env.get(name).map(OsString::from))
    }

    // proves: A-7
    #[test]
    fn both_kinds_of_address_are_spoken_to_and_others_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n");
        let name = format!("skep-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        for (listener, place) in [
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap()),
            (
                UnixDatagram::bind_addr(&abstract_address).unwrap(),
                &format!("@{name}"),
            ),
        ] {
            let notify = notify(&[("NOTIFY_SOCKET", place)]).unwrap();
            notify.say("READY=1");
            let mut buffer = [0; 64];
            let length = listener.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"READY=1");
        }
        assert!(notify(&[]).is_none());
        assert!(notify(&[("NOTIFY_SOCKET", "vsock:2:1")]).is_none());
        // Nobody listens there: nothing is said, and nothing goes wrong.
        notify(&[("NOTIFY_SOCKET", "/nowhere/at/all")])
            .unwrap()
            .say("READY=1");
    }

    #[test]
    fn a_deadline_for_another_process_is_not_ours() {
        let me = std::process::id().to_string();
        let limit = |pid: Option<&str>| {
            let mut env = vec![("NOTIFY_SOCKET", "@x"), ("WATCHDOG_USEC", "3000000")];
            env.extend(pid.map(|pid| ("WATCHDOG_PID", pid)));
            notify(&env).unwrap().watchdog()
        };
        assert_eq!(limit(None), Some(Duration::from_secs(3)));
        assert_eq!(limit(Some(&me)), Some(Duration::from_secs(3)));
        assert_eq!(limit(Some("1")), None);
    }
}
