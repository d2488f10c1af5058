//! Receivers of alerts, on loopback: a web server that answers as it is told, and a mail server of one kind.

use ring::hmac;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Post {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map_or("", |(_, value)| value)
    }
}

/// A web server; its threads end with the test's process.
pub(crate) struct Hook {
    port: u16,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Hook {
    /// Answers the n-th request with `answer(n)`; with nothing: never.
    pub(crate) fn start(answer: impl Fn(usize) -> String + Send + 'static) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let posts = Arc::new(Mutex::new(Vec::new()));
        let seen = posts.clone();
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming().flatten() {
                let Some(post) = read(&stream) else { continue };
                let n = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(post);
                    seen.len() - 1
                };
                let mut stream = stream;
                let _ = stream.write_all(answer(n).as_bytes());
                // One that is not answered stays open.
                open.push(stream);
            }
        });
        Hook { port, posts }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook?a=b", self.port)
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Post> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    assert_eq!(line, "POST /hook?a=b HTTP/1.1\r\n");
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
    Some(Post { headers, body })
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

/// A mail server that takes everything, and notes what it was told.
pub(crate) struct MailServer {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    pub(crate) fn start() -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = heard.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = talk(&stream, &notes);
            }
        });
        MailServer { port, heard }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn talk(stream: &TcpStream, notes: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut writer = stream;
    let mut say = |line: &str| writer.write_all(format!("{line}\r\n").as_bytes());
    say("220 here")?;
    let mut data = false;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        notes.lock().unwrap().push(line.clone());
        if data {
            if line == "." {
                data = false;
                say("250 taken")?;
            }
            continue;
        }
        let word = line.split([' ', ':']).next().unwrap_or_default();
        match word {
            "EHLO" => say("250-here\r\n250-8BITMIME\r\n250 AUTH PLAIN")?,
            "AUTH" => say("235 welcome")?,
            "DATA" => {
                data = true;
                say("354 go on")?;
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 fine")?,
        }
    }
    Ok(())
}
