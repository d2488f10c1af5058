//! Connections to receivers: each address is looked up once, checked, and then connected to as it was checked, so that
//! no name can lead elsewhere in between.

use super::{Trouble, guard};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// No receiver needs longer to answer at all.
const CONNECT: Duration = Duration::from_secs(5);

/// Whom a connection may reach.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Machines of the public internet.
    Public,
    /// Any machine.
    Any,
}

/// Connects to a name or address, and says which address it was.
pub(super) async fn connect(
    host: &str,
    port: u16,
    reach: Reach,
) -> Result<(TcpStream, IpAddr), Trouble> {
    let host = host.trim_matches(['[', ']']);
    let found = tokio::time::timeout(CONNECT, tokio::net::lookup_host((host, port))).await;
    let found: Vec<SocketAddr> = match found {
        Err(_) => return Err(Trouble::passing(format!("looking up {host} took too long"))),
        Ok(Err(error)) => {
            return Err(Trouble::passing(format!(
                "{host} cannot be looked up: {error}"
            )));
        }
        Ok(Ok(found)) => found.collect(),
    };
    let may = |at: &&SocketAddr| reach == Reach::Any || guard::is_public(at.ip());
    let allowed: Vec<&SocketAddr> = found.iter().filter(may).collect();
    if allowed.is_empty() {
        return Err(Trouble::lasting(format!(
            "{host} is an address of this machine or of a private network; expected one of the public internet, or `allow_private = true`"
        )));
    }
    let mut last = String::new();
    for at in allowed {
        match tokio::time::timeout(CONNECT, TcpStream::connect(at)).await {
            Ok(Ok(stream)) => return Ok((stream, at.ip())),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = "no answer".into(),
        }
    }
    Err(Trouble::passing(format!(
        "cannot connect to {host}: {last}"
    )))
}

/// Encrypts a connection, having seen that the other side is who it should be.
pub(super) async fn encrypt(
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Trouble> {
    let host = host.trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_string())
        .map_err(|_| Trouble::lasting(format!("{host} is no name that a certificate can have")))?;
    let connector = TlsConnector::from(config()?);
    let shaken = connector.connect(name, stream).await;
    shaken.map_err(|error| Trouble::passing(format!("{host} cannot be trusted: {error}")))
}

/// The machine's own certificates, read when they are needed first.
fn config() -> Result<Arc<ClientConfig>, Trouble> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Trouble::passing(
            "this machine has no certificates to trust others by; install ca-certificates",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Trouble::lasting(format!("TLS cannot be used: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(CONFIG.get_or_init(|| Arc::new(config)).clone())
}
