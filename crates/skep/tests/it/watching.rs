//! Watching a keeper whose events cannot be read: a run says so and ends, and does not spin.

use crate::{Sandbox, ran};
use skep_host::site::Site;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    thread,
};

const PLAN: &str = r#"
[[task]]
id = "a"
mission = "Make a."
command = "true"
"#;

/// What a keeper of another version might be: it takes the plan, and speaks of what nobody here knows.
fn answer(stream: UnixStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let (kind, body) = if first.contains("follow=true") {
        let event = r#"{"seq":1,"at":"2026-01-26T10:15:00Z","trace":"t","by":"policy","key":null,"type":"of_the_future"}"#;
        ("text/event-stream", format!("id: 1\ndata: {event}\n\n"))
    } else if first.contains("/events") {
        ("text/event-stream", String::new())
    } else {
        let answer = r#"{"schema":1,"seq":1,"repeated":false,"workers":[]}"#;
        ("application/json", answer.into())
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    (&stream).write_all((head + &body).as_bytes())
}

// proves: U-1, L-10
#[test]
fn a_run_that_cannot_read_an_event_says_so_and_ends() {
    let sandbox = Sandbox::new();
    sandbox.write("plan.toml", PLAN);
    let socket = Site::new(sandbox.path()).socket();
    fs::create_dir(sandbox.path().join(".skep")).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream);
        }
    });
    let mut run = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    crate::until("the run ends", || run.try_wait().unwrap().is_some());
    let ran = ran(run.wait_with_output().unwrap());
    fs::remove_file(&socket).unwrap();
    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(ran.err.contains("event 1 cannot be read"), "{}", ran.err);
    assert!(ran.err.contains("of_the_future"), "{}", ran.err);
    assert!(ran.err.contains("the keeper goes on"), "{}", ran.err);
}
