//! `skep dash` and the listener of a real keeper, as a browser and a script meet them.

use crate::{Sandbox, terminal, until};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    time::Duration,
};

/// One request to the server that `.skep/server.json` names; the whole answer.
fn ask(sandbox: &Sandbox, method: &str, path: &str, headers: &str) -> String {
    let server = server(sandbox);
    let address = server["address"].as_str().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn server(sandbox: &Sandbox) -> serde_json::Value {
    let text = fs::read(sandbox.path().join(".skep/server.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn token(sandbox: &Sandbox) -> String {
    let text = fs::read_to_string(sandbox.path().join(".skep/token")).unwrap();
    text.trim().into()
}

/// Follows a link as a browser does: the header that goes along from then on.
fn sign_in(sandbox: &Sandbox) -> String {
    follow(sandbox, &sandbox.expect(0, &["dash"]).out)
}

fn follow(sandbox: &Sandbox, link: &str) -> String {
    let path = link.trim().rsplit_once("/sign-in").unwrap().1;
    let answer = ask(sandbox, "GET", &format!("/sign-in{path}"), "");
    let cookie = answer.split_once("set-cookie: ").unwrap().1;
    format!("Cookie: {}\r\n", cookie.split_once(';').unwrap().0)
}

fn is_in(sandbox: &Sandbox, headers: &str) -> bool {
    let answer = ask(sandbox, "GET", "/api/v1/status", headers);
    let status = answer.split(' ').nth(1).unwrap();
    assert!(matches!(status, "200" | "401"), "{answer}");
    status == "200"
}

/// What every process of this user shows of itself.
fn shown_by_processes() -> String {
    let mut shown = String::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        for file in ["cmdline", "environ"] {
            let text = fs::read(entry.path().join(file)).unwrap_or_default();
            shown.push_str(&String::from_utf8_lossy(&text));
        }
    }
    shown
}

// proves: T-2, U-2
#[test]
fn a_browser_stays_signed_in_through_restarts_until_the_token_changes() {
    let sandbox = Sandbox::new();
    sandbox.expect(0, &["up", "--detach", "--no-watchdog"]);
    let before = server(&sandbox);
    let cookie = sign_in(&sandbox);
    assert!(is_in(&sandbox, &cookie) && !is_in(&sandbox, ""));
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let first = token(&sandbox);
    assert!(is_in(&sandbox, &bearer(&first)));

    // It is in nothing that others, or a log, could show.
    let secrets = [
        first.clone(),
        cookie.split('=').nth(1).unwrap().trim().to_string(),
    ];
    let shown = shown_by_processes();
    let mut files = Vec::new();
    for entry in fs::read_dir(sandbox.path().join(".skep"))
        .unwrap()
        .flatten()
    {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        let name = entry.file_name().into_string().unwrap();
        if ["token", "server.json"].contains(&&*name) {
            assert_eq!(mode, 0o600, "{name}");
        }
        if name != "token" {
            files.extend(fs::read(entry.path()).unwrap_or_default());
        }
    }
    let files = String::from_utf8_lossy(&files);
    for secret in &secrets {
        assert!(!shown.contains(&**secret) && !files.contains(&**secret));
    }

    // Killed, not asked: the next keeper takes the same port, and the page goes on.
    let keeper = fs::read(sandbox.path().join(".skep/keeper.json")).unwrap();
    let keeper: serde_json::Value = serde_json::from_slice(&keeper).unwrap();
    let pid = i32::try_from(keeper["pid"].as_i64().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until("the keeper is gone", || sandbox.skep(&["dash"]).code == 4);
    sandbox.expect(0, &["up", "--detach", "--no-watchdog"]);
    assert_eq!(server(&sandbox), before);
    assert!(is_in(&sandbox, &cookie) && is_in(&sandbox, &bearer(&first)));

    let said = sandbox.expect(0, &["dash", "--new-token"]);
    assert!(said.err.contains("every session has ended"), "{}", said.err);
    assert!(!is_in(&sandbox, &cookie) && !is_in(&sandbox, &bearer(&first)));
    assert!(is_in(&sandbox, &sign_in(&sandbox)));
    assert!(is_in(&sandbox, &bearer(&token(&sandbox))));
}

// proves: T-2, U-1
#[test]
fn who_does_not_want_it_has_no_listener() {
    let sandbox = Sandbox::new();
    for wrong in ["0.0.0.0:0", "[::]:80", "anywhere", "127.0.0.1", "99999"] {
        let no = sandbox.expect(2, &["up", "--detach", "--listen", wrong]);
        assert!(
            no.err.contains("hint:") && !sandbox.path().join(".skep").exists(),
            "{}",
            no.err
        );
    }
    sandbox.expect(2, &["up", "--server-name", "http://x/"]);
    let none = sandbox.expect(4, &["dash"]);
    assert!(none.err.contains("no keeper"), "{}", none.err);
    sandbox.expect(0, &["up", "--detach", "--listen", "off"]);
    let no = sandbox.expect(3, &["dash"]);
    assert!(no.err.contains("--listen off"), "{}", no.err);
    assert!(!sandbox.path().join(".skep/server.json").exists());
    // A watchdog's next keeper listens as this one was told.
    let keeper = fs::read_to_string(sandbox.path().join(".skep/keeper.json")).unwrap();
    assert!(
        keeper.contains(r#""listen":["--listen","off"]"#),
        "{keeper}"
    );
}

// proves: U-1
#[test]
fn a_port_that_was_asked_for_and_is_taken_is_an_error_before_anything_is_begun() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for more in [&[][..], &["--detach"]] {
        let args = [&["up", "--listen", &port], more].concat();
        let no = sandbox.expect(3, &args);
        assert!(
            no.err.contains(&format!("127.0.0.1:{port}")) && no.err.contains("another port"),
            "{}",
            no.err
        );
        assert!(!sandbox.path().join(".skep").exists());
    }
    drop(taken);
    sandbox.expect(0, &["up", "--detach", "--no-watchdog", "--listen", &port]);
    assert!(is_in(&sandbox, &sign_in(&sandbox)));
}

// proves: U-2
#[test]
fn what_leads_a_browser_to_its_link_is_gone_once_that_was_used_or_its_keeper_has_ended() {
    let sandbox = Sandbox::new();
    sandbox.expect(0, &["up", "--detach", "--no-watchdog"]);
    let page = sandbox.path().join(".skep/sign-in.html");
    // A desktop of which only this is known: what it is told to open.
    let desktop = tempfile::tempdir().unwrap();
    let opener = desktop.path().join("xdg-open");
    fs::write(&opener, "#!/bin/sh\ntest -f \"$1\"\n").unwrap();
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
    let open = || {
        let mut dash = sandbox.command(&["dash"]);
        let path = std::env::var("PATH").unwrap();
        dash.env("DISPLAY", ":0")
            .env("PATH", format!("{}:{path}", desktop.path().display()));
        let (said, code) = terminal::seen(dash);
        assert_eq!(code, 0, "{said}");
        assert_eq!(
            fs::metadata(&page).unwrap().permissions().mode() & 0o777,
            0o600
        );
        said.lines().next().unwrap().to_string()
    };
    let first = open();
    let second = open();
    // The page leads to the second link by now.
    follow(&sandbox, &first);
    assert!(page.exists());
    follow(&sandbox, &second);
    assert!(!page.exists());

    open();
    sandbox.expect(0, &["down"]);
    until("the keeper has put it away", || !page.exists());
}

// proves: U-1
#[test]
fn a_new_token_is_one_document_with_or_without_a_keeper() {
    let sandbox = Sandbox::new();
    sandbox.expect(0, &["up", "--detach", "--no-watchdog"]);
    let with = sandbox.json(&["dash", "--new-token", "--json"]);
    assert!(with["url"].is_string(), "{with}");
    sandbox.expect(0, &["down"]);
    until("the keeper is gone", || sandbox.skep(&["dash"]).code == 4);
    let without = sandbox.json(&["dash", "--new-token", "--json"]);
    assert_eq!(without["done"][0]["about"], "token", "{without}");
}
