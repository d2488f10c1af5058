//! HTTP over a bare socket: it shows what really came, also where a reply was cut.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// What came before the connection ended.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 0 if none came.
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// Whether the body came to its end.
    pub(crate) whole: bool,
}

pub(crate) fn post(url: &str, path: &str, body: &Value) -> Answer {
    post_as(url, path, "x-api-key: sk-scripted", body)
}

pub(crate) fn post_as(url: &str, path: &str, key: &str, body: &Value) -> Answer {
    let address = url.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    // No test waits for longer than this.
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let body = body.to_string();
    let length = body.len();
    write!(
        socket,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\n{key}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut bytes = Vec::new();
    // A connection that is reset gives what came before.
    let _ = socket.read_to_end(&mut bytes);
    read(&String::from_utf8(bytes).unwrap())
}

fn read(text: &str) -> Answer {
    let (head, rest) = text.split_once("\r\n\r\n").unwrap_or_default();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    let (body, whole) = if headers.contains_key("transfer-encoding") {
        chunks(rest)
    } else {
        (rest.to_string(), status.is_some())
    };
    Answer {
        status: status.and_then(|s| s.parse().ok()).unwrap_or(0),
        headers,
        body,
        whole,
    }
}

/// The chunks together, and whether the last of them came.
fn chunks(mut rest: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = after.get(..size) else {
            break;
        };
        body.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}
