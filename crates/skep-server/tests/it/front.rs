//! The listener on TCP against whoever has no business there: strangers, other origins' pages, floods, and names that
//! are not names.

use crate::api::begin;
use serde_json::{Value, json};
use skep_host::{keeper::Keeper, owner::Owner, site::Site};
use skep_server::http::{
    self,
    tcp::{Limits, Listen, ListenError, Tcp},
};
use std::{fs, net::SocketAddr, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

struct Front {
    address: SocketAddr,
    token: String,
    site: Site,
    keeper: Keeper,
    leave: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
    _dir: TempDir,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.keeper.stop();
        self.served.abort();
    }
}

/// An answer, taken apart.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        Answer {
            status: status.unwrap_or(0),
            head: head.to_ascii_lowercase(),
            body: body.into(),
        }
    }
    fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().into()
    }
    /// A no in the form that every no has, with what every answer says to browsers.
    #[track_caller]
    fn is_no(&self, status: u16, code: &str) {
        assert_eq!((self.status, &*self.code()), (status, code), "{self:#?}");
        assert!(
            self.head.contains("content-type: application/problem+json"),
            "{self:#?}"
        );
        assert!(self.head.contains("cache-control: no-store"), "{self:#?}");
        self.is_hardened();
    }
    /// The page says itself for how long it may be kept.
    #[track_caller]
    fn is_hardened(&self) {
        for said in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "frame-ancestors 'none'",
        ] {
            assert!(self.head.contains(said), "{said}: {self:#?}");
        }
        assert!(!self.head.contains("access-control-"), "{self:#?}");
        assert!(!self.body.contains('\x1b'), "{self:#?}");
    }
}

fn front_with(limits: Limits) -> Front {
    let (dir, keeper, app) = begin();
    let site = keeper.handle().site().clone();
    let tcp = Tcp::bind(&Listen::default(), None, limits).unwrap();
    let door = tcp.door(Owner::of(&site).unwrap());
    let address = tcp.address();
    let router = http::router_with(app, Some(door.clone()));
    let (leave, left) = oneshot::channel();
    let served = tokio::spawn(tcp.serve(router, door, async { drop(left.await) }));
    Front {
        address,
        token: fs::read_to_string(site.token()).unwrap().trim().into(),
        site,
        keeper,
        leave: Some(leave),
        served,
        _dir: dir,
    }
}

fn front() -> Front {
    front_with(Limits::default())
}

impl Front {
    /// Sends bytes, and reads until the server closes the connection.
    async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that refuses early stops reading.
        let _ = stream.write_all(request).await;
        Answer::read(&rest(&mut stream).await)
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.raw(self.request(method, path, headers, body).as_bytes())
            .await
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            text.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        format!(
            "{text}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// As its owner.
    async fn own(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(method, path, &[("Authorization", &self.bearer())], body)
            .await
    }

    async fn operations(&self) -> Vec<(String, String)> {
        let document = self.own("GET", "/api/v1/openapi.json", "").await.body;
        let document: Value = serde_json::from_str(&document).unwrap();
        let mut all = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                all.push((method.to_ascii_uppercase(), path.clone()));
            }
        }
        assert!(all.len() > 20, "{all:?}");
        all
    }

    /// The history as it is sent, without the end of the chunks.
    async fn events(&self) -> String {
        let sent = self.own("GET", "/api/v1/events?follow=false", "").await;
        sent.body.trim_end_matches("0\r\n\r\n").into()
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset has said what it had to say.
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
    let _ = read
        .await
        .expect("the server neither answers nor closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

const PAUSE: &str = "{\"verb\":\"add_workers\",\"count\":1}";

// proves: T-2, U-2
#[tokio::test]
async fn nothing_is_told_or_done_without_a_token() {
    let front = front();
    let mut all = front.operations().await;
    all.push(("GET".into(), "/api/v1/nothing".into()));
    all.push(("GET".into(), "/..%2f..%2f.skep/token".into()));
    for (method, path) in &all {
        let path = path.replace(['{', '}'], "");
        front
            .send(method, &path, &[], PAUSE)
            .await
            .is_no(401, "no_token");
    }
    let wrong = front.token.replace(|c: char| c.is_ascii_digit(), "0");
    for token in [&*wrong, "", &front.token[1..], "skep-a1-00"] {
        let wrong = format!("Bearer {token}");
        let headers = [("Authorization", &*wrong)];
        front
            .send("POST", "/api/v1/commands", &headers, PAUSE)
            .await
            .is_no(401, "bad_token");
    }
    // In an address it is nothing, and is not looked at.
    let path = format!("/api/v1/status?token={}", front.token);
    front
        .send("GET", &path, &[], "")
        .await
        .is_no(401, "no_token");
    assert_eq!(front.events().await, "");
    // The page is for everybody: it tells nothing. What it loads must be its own.
    let page = front.send("GET", "/", &[], "").await;
    assert_eq!(page.status, 200);
    page.is_hardened();
    assert!(page.head.contains("default-src 'self'"), "{page:#?}");
    assert!(!page.head.contains("unsafe"), "{page:#?}");
}

// proves: T-2
#[tokio::test]
async fn another_name_or_another_origins_page_gets_nowhere() {
    let front = front();
    let token = front.bearer();
    let port = front.address.port();
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1",
        "",
    ] {
        for path in ["/", "/api/v1/status", "/sign-in?code=1"] {
            let headers = [("Host", host), ("Authorization", &*token)];
            front
                .send("GET", path, &headers, "")
                .await
                .is_no(421, "wrong_host");
        }
    }
    let localhost = format!("localhost:{port}");
    let headers = [("Host", &*localhost), ("Authorization", &*token)];
    assert_eq!(
        front
            .send("GET", "/api/v1/status", &headers, "")
            .await
            .status,
        200
    );

    let link = front.own("POST", "/api/v1/sign-in", "").await;
    let link: Value = serde_json::from_str(&link.body).unwrap();
    let path = link["url"]
        .as_str()
        .unwrap()
        .split_once(&port.to_string())
        .unwrap()
        .1;
    let signed_in = front.send("GET", path, &[], "").await;
    signed_in.is_hardened();
    let cookie = signed_in.head.split_once("set-cookie: ").unwrap().1;
    let cookie = cookie.split_once(';').unwrap().0.to_string();
    assert_eq!(
        front.send("GET", path, &[], "").await.status,
        401,
        "a link works once"
    );

    let form = "application/x-www-form-urlencoded";
    for (name, value) in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("X-Nothing", "an old browser's form"),
    ] {
        let headers = [("Cookie", &*cookie), (name, value), ("Content-Type", form)];
        let no = front
            .send("POST", "/api/v1/commands", &headers, PAUSE)
            .await;
        no.is_no(403, "wrong_origin");
    }
    let preflight = [
        ("Origin", "http://evil.example"),
        ("Access-Control-Request-Method", "POST"),
    ];
    front
        .send("OPTIONS", "/api/v1/commands", &preflight, "")
        .await
        .is_no(403, "wrong_origin");
    assert_eq!(front.events().await, "");
    let origin = format!("http://{}", front.address);
    let headers = [("Cookie", &*cookie), ("Origin", &*origin)];
    let no = front.send("POST", "/api/v1/commands", &headers, "{}").await;
    no.is_no(422, "bad_command");
    assert_eq!(
        front
            .send("GET", "/api/v1/status", &headers, "")
            .await
            .status,
        200
    );
    let out = front.send("POST", "/api/v1/sign-out", &headers, "").await;
    assert!(out.head.contains("max-age=0"), "{out:#?}");
}

// proves: T-3
#[tokio::test]
async fn what_is_no_name_leads_nowhere_in_every_address() {
    let front = front();
    let long = "a".repeat(5_000);
    let names = [
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "%2e%2e%2f%2e%2e%2ftoken",
        "..%5c..%5ctoken",
        "%00",
        "%1b%5b2J",
        "%ff%fe",
        "-rf",
        "$(id)",
        "'%20OR%201=1--",
        "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "a%0d%0aX:%20y",
        &long,
    ];
    let mut tried = 0;
    for (method, path) in front.operations().await {
        let Some((before, rest)) = path.split_once('{') else {
            continue;
        };
        let after = rest.split_once('}').unwrap().1;
        for name in names {
            let answer = front
                .own(&method, &format!("{before}{name}{after}"), "{}")
                .await;
            assert!(
                (400..500).contains(&answer.status),
                "{method} {path} {name}: {answer:#?}"
            );
            answer.is_no(answer.status, &answer.code());
            assert!(!answer.body.contains("root:"), "{answer:#?}");
            tried += 1;
        }
    }
    assert!(tried >= 3 * names.len(), "{tried}");
}

// proves: T-3
#[tokio::test]
async fn hostile_text_is_data_in_every_answer() {
    let front = front();
    let text = "<script>alert(1)</script> \u{202e} \u{2028} \"'`$(id)`";
    let plan = json!({ "swarm": { "name": "s", "workers": 0 },
        "task": [{ "id": "a", "mission": text, "command": "true" }] });
    let loaded = front.own("POST", "/api/v1/plan", &plan.to_string()).await;
    assert_eq!(loaded.status, 200, "{loaded:#?}");
    let task = front.own("GET", "/api/v1/tasks/a", "").await;
    assert!(
        task.head.contains("content-type: application/json"),
        "{task:#?}"
    );
    task.is_hardened();
    let task: Value = serde_json::from_str(&task.body).unwrap();
    assert_eq!(task["mission"], text);
    // One event is one block of lines, whatever is in it.
    let events = front.events().await;
    assert!(events.contains("<script>"), "{events}");
    let lines = |start: &str| {
        events
            .lines()
            .filter(|line| line.starts_with(start))
            .count()
    };
    assert_eq!((lines("id: "), lines("data: ")), (2, 2));
    let plan = plan.to_string().replace("<script>", "\\u001b[2J\\u0007");
    let again = front.own("POST", "/api/v1/plan?again=true", &plan).await;
    again.is_hardened();
}

// proves: T-2
#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let front = front();
    let token = front.bearer();
    let host = front.address;
    let head = format!("Host: {host}\r\nAuthorization: {token}\r\nConnection: close\r\n");
    let large = format!(
        "GET /api/v1/status HTTP/1.1\r\n{head}X: {}\r\n\r\n",
        "x".repeat(100_000)
    );
    let answer = front.raw(large.as_bytes()).await;
    assert!(matches!(answer.status, 431 | 0), "{answer:#?}");
    let many = "X: y\r\n".repeat(1_000);
    let answer = front
        .raw(format!("GET / HTTP/1.1\r\n{head}{many}\r\n").as_bytes())
        .await;
    assert!(matches!(answer.status, 400 | 431), "{answer:#?}");
    // The length alone is enough; nothing of the body is sent.
    for path in ["/api/v1/plan", "/api/v1/commands"] {
        let said = format!("POST {path} HTTP/1.1\r\n{head}Content-Length: 99999999999\r\n\r\n");
        front.raw(said.as_bytes()).await.is_no(413, "too_large");
    }
    let body = format!("{{\"verb\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    front
        .own("POST", "/api/v1/commands", &body)
        .await
        .is_no(413, "too_large");
    // Without a length it is counted.
    let mut endless =
        format!("POST /api/v1/plan HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n")
            .into_bytes();
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    for _ in 0..17 {
        endless.extend_from_slice(chunk.as_bytes());
    }
    front.raw(&endless).await.is_no(413, "too_large");
}

// proves: T-2
#[tokio::test]
async fn who_is_slow_loses_the_connection_and_holds_up_nobody() {
    let limits = Limits {
        connections: 4,
        head: Duration::from_millis(300),
        body: Duration::from_millis(300),
    };
    let front = front_with(limits);
    // As many as there may be, each with half of a head: the next is answered once they are shown out.
    let mut slow = Vec::new();
    for _ in 0..limits.connections {
        let mut stream = TcpStream::connect(front.address).await.unwrap();
        stream
            .write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: ")
            .await
            .unwrap();
        slow.push(stream);
    }
    assert_eq!(front.own("GET", "/api/v1/status", "").await.status, 200);
    for mut stream in slow {
        assert!(!rest(&mut stream).await.contains(" 200 "));
    }
    let head = front.request(
        "POST",
        "/api/v1/plan",
        &[("Authorization", &front.bearer())],
        "",
    );
    let head = head.replace("Content-Length: 0", "Content-Length: 1000");
    front.raw(head.as_bytes()).await.is_no(408, "too_slow");
}

// proves: T-2
#[tokio::test]
async fn the_port_stays_the_same_and_is_given_back() {
    let mut front = front();
    let address = front.address;
    let other = Tcp::bind(&Listen::default(), Some(address), Limits::default()).unwrap();
    assert_ne!(other.address(), address, "somebody has it");
    let taken = Listen {
        at: Some(address),
        names: Vec::new(),
    };
    let taken = Tcp::bind(&taken, None, Limits::default());
    assert!(matches!(taken, Err(ListenError::Io(..))), "{taken:?}");
    // Who was let in is answered, and then nobody is.
    drop(front.leave.take());
    timeout(Duration::from_secs(10), &mut front.served)
        .await
        .unwrap()
        .unwrap();
    let next = Tcp::bind(&Listen::default(), Some(address), Limits::default()).unwrap();
    assert_eq!(next.address(), address);
    let open = Listen {
        at: Some("0.0.0.0:0".parse().unwrap()),
        names: Vec::new(),
    };
    let open = Tcp::bind(&open, None, Limits::default());
    assert!(matches!(open, Err(ListenError::Open(_))), "{open:?}");
    assert!(!front.site.server_file().exists(), "binding writes nothing");
}
