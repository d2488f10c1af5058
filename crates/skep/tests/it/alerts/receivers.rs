//! Receivers of alerts, on loopback: a web server that answers as it is told, and a mail server of each kind.

use ring::hmac;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{
    io::{BufRead, BufReader, Read, Result, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

/// A certificate that nobody trusts unless told to.
pub(crate) struct Certificate {
    /// What makes it trusted, in a file that `SSL_CERT_FILE` names.
    pub(crate) pem: String,
    config: Arc<ServerConfig>,
}

impl Certificate {
    pub(crate) fn of(name: &str) -> Certificate {
        let made = rcgen::generate_simple_self_signed([name.to_string()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::from(key))
                .unwrap();
        Certificate {
            pem: made.cert.pem(),
            config: Arc::new(config),
        }
    }

    fn around(&self, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        StreamOwned::new(ServerConnection::new(self.config.clone()).unwrap(), stream)
    }
}

trait Wire: Read + Write + Send {}
impl<S: Read + Write + Send> Wire for S {}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
}

impl Post {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What a receiver of webhooks says when it has taken one.
pub(crate) const TAKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const PATH: &str = "/hook?a=token-in-the-address";

/// A web server; its threads end with the test's process.
pub(crate) struct Hook {
    port: u16,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Hook {
    /// Answers the n-th request with `answer(n)`; with nothing: never.
    pub(crate) fn start(answer: impl Fn(usize) -> String + Send + 'static) -> Hook {
        Hook::with(None, answer)
    }

    /// Over TLS, with a certificate.
    pub(crate) fn secure(
        certificate: Certificate,
        answer: impl Fn(usize) -> String + Send + 'static,
    ) -> Hook {
        Hook::with(Some(certificate), answer)
    }

    fn with(tls: Option<Certificate>, answer: impl Fn(usize) -> String + Send + 'static) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let posts = Arc::new(Mutex::new(Vec::new()));
        let seen = posts.clone();
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming().flatten() {
                let mut stream: Box<dyn Wire> = match &tls {
                    Some(certificate) => Box::new(certificate.around(stream)),
                    None => Box::new(stream),
                };
                let Some(post) = read(&mut stream) else {
                    continue;
                };
                let n = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(post);
                    seen.len() - 1
                };
                let _ = stream.write_all(answer(n).as_bytes());
                let _ = stream.flush();
                // One that is not answered stays open.
                open.push(stream);
            }
        });
        Hook { port, posts }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    pub(crate) fn secure_url(&self, host: &str) -> String {
        format!("https://{host}:{}{PATH}", self.port)
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }
}

/// Reads a request; nothing if whoever connected went away without one.
fn read(stream: &mut impl Read) -> Option<Post> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    assert_eq!(line, format!("POST {PATH} HTTP/1.1\r\n"));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_lowercase(), value.to_string()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length?.1.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let at = Instant::now();
    Some(Post { headers, body, at })
}

/// Whether a request is signed as the README says.
pub(crate) fn is_signed(post: &Post, secret: &str) -> bool {
    let signature = post.header("x-skep-signature");
    let Some((time, tag)) = signature
        .strip_prefix("t=")
        .and_then(|rest| rest.split_once(",v1="))
    else {
        return false;
    };
    let digits: Option<Vec<u8>> = (0..tag.len() / 2)
        .map(|n| u8::from_str_radix(tag.get(2 * n..2 * n + 2)?, 16).ok())
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = [time.as_bytes(), b".", &post.body].concat();
    hmac::verify(&key, &signed, &digits.unwrap_or_default()).is_ok()
}

/// When a mail server encrypts.
pub(crate) enum Tls {
    /// Never.
    None,
    /// From the first byte.
    Implicit(Certificate),
    /// When it is asked to.
    Starttls(Certificate),
}

/// What is noted where the encrypted part of a conversation begins.
pub(crate) const ENCRYPTED: &str = "<encrypted>";

/// A mail server that takes everything but what `refusals` names, and notes what it was told.
pub(crate) struct MailServer {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    pub(crate) fn start(tls: Tls) -> MailServer {
        MailServer::refusing(tls, |_| None)
    }

    /// One that answers some lines otherwise.
    pub(crate) fn refusing(
        tls: Tls,
        refusal: impl Fn(&str) -> Option<String> + Send + 'static,
    ) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = heard.clone();
        let offers = if matches!(tls, Tls::Starttls(_)) {
            "250-here\r\n250-8BITMIME\r\n250 STARTTLS"
        } else {
            "250-here\r\n250-8BITMIME\r\n250 AUTH PLAIN"
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever hangs up has said so to the test in other ways.
                let _ = serve(
                    stream,
                    &tls,
                    &Session {
                        notes: &notes,
                        offers,
                        refusal: &refusal,
                    },
                );
            }
        });
        MailServer { port, heard }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, tls: &Tls, session: &Session<'_>) -> Result<()> {
    match tls {
        Tls::None => session.greet(&mut BufReader::new(stream)).map(drop),
        Tls::Implicit(certificate) => {
            let mut talk = BufReader::new(certificate.around(stream));
            session.note(ENCRYPTED);
            session.greet(&mut talk).map(drop)
        }
        Tls::Starttls(certificate) => {
            let mut talk = BufReader::new(stream);
            if !session.greet(&mut talk)? {
                return Ok(());
            }
            let mut talk = BufReader::new(certificate.around(talk.into_inner()));
            session.note(ENCRYPTED);
            let offers = "250 AUTH PLAIN";
            Session { offers, ..*session }.talk(&mut talk).map(drop)
        }
    }
}

#[derive(Clone, Copy)]
struct Session<'s> {
    notes: &'s Mutex<Vec<String>>,
    /// What it answers to a greeting.
    offers: &'s str,
    refusal: &'s dyn Fn(&str) -> Option<String>,
}

impl Session<'_> {
    fn note(&self, line: &str) {
        self.notes.lock().unwrap().push(line.into());
    }

    fn greet<S: Read + Write>(&self, stream: &mut BufReader<S>) -> Result<bool> {
        say(stream, "220 here")?;
        self.talk(stream)
    }

    /// Says whether what follows is to be encrypted.
    fn talk<S: Read + Write>(&self, stream: &mut BufReader<S>) -> Result<bool> {
        let mut data = false;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(false);
            }
            let line = line.trim_end_matches(['\r', '\n']);
            self.note(line);
            if data {
                if line == "." {
                    data = false;
                    say(stream, "250 taken")?;
                }
                continue;
            }
            if let Some(refusal) = (self.refusal)(line) {
                say(stream, &refusal)?;
                continue;
            }
            match line.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => say(stream, self.offers)?,
                "AUTH" => say(stream, "235 welcome")?,
                "STARTTLS" => {
                    // What somebody in between would slip in: it must not be taken for an encrypted answer.
                    say(stream, "220 go on\r\n550 slipped in")?;
                    return Ok(true);
                }
                "DATA" => {
                    data = true;
                    say(stream, "354 go on")?;
                }
                "QUIT" => return say(stream, "221 bye").map(|()| false),
                _ => say(stream, "250 fine")?,
            }
        }
    }
}

fn say<S: Read + Write>(stream: &mut BufReader<S>, line: &str) -> Result<()> {
    let stream = stream.get_mut();
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    stream.flush()
}
