//! Where a keeper that stays listens for browsers, as a person says it and as it is handed on to other processes.

use crate::{
    args,
    failure::{Exit, Failure},
};
use skep_server::http::tcp::{Listen, ListenError};
use std::net::{Ipv4Addr, SocketAddr};

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ListenArgs {
    /// Listen for browsers on this port of loopback, or ADDRESS:PORT; off: on the socket alone
    #[arg(long, value_name = "WHERE")]
    listen: Option<String>,
    /// Another name that this server is reached by, such as a proxy's
    #[arg(long, value_name = "NAME")]
    server_name: Vec<String>,
}

impl ListenArgs {
    /// Where to listen; none for nowhere.
    pub(crate) fn read(&self) -> Result<Option<Listen>, Failure> {
        let bad = |text: &str| {
            Failure::usage(format!(
                "--listen {} is no place to listen",
                args::quoted(text)
            ))
            .hint("write a port such as 8080, an address such as 127.0.0.1:8080, or off")
        };
        let at = match self.listen.as_deref() {
            None => None,
            Some("off") => return Ok(None),
            Some(text) => {
                let port = text
                    .parse()
                    .map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
                Some(port.or_else(|_| text.parse()).map_err(|_| bad(text))?)
            }
        };
        if let Some(open) = at.filter(|at| !at.ip().is_loopback()) {
            let error = ListenError::Open(open);
            return Err(Failure::usage(error.to_string()).hint(error.hint()));
        }
        for name in &self.server_name {
            let plain = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
            if name.is_empty() || name.len() > 253 || !name.chars().all(plain) {
                let message = format!("--server-name {} is not a host's name", args::quoted(name));
                return Err(Failure::usage(message).hint("write it without scheme and port"));
            }
        }
        let names = self.server_name.clone();
        Ok(Some(Listen { at, names }))
    }

    /// The same, for another process.
    pub(crate) fn words(&self) -> Vec<String> {
        let listen = self
            .listen
            .iter()
            .flat_map(|at| ["--listen".into(), at.clone()]);
        let names = self.server_name.iter();
        let names = names.flat_map(|name| ["--server-name".into(), name.clone()]);
        listen.chain(names).collect()
    }
}

/// Refuses, before anything is begun, an address that a person named and that cannot be had.
pub(crate) fn check(listen: Option<&Listen>) -> Result<(), Failure> {
    let checked = listen.map_or(Ok(()), Listen::check);
    checked.map_err(|error| {
        Failure::new(Exit::Refused, "no browser could connect")
            .because(&error)
            .hint(error.hint())
    })
}
