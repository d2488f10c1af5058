//! The API over TCP as browsers and scripts meet it: answers of a swarm of 1,000 tasks while events come, and events on
//! their way to 50 clients. `cargo bench -p skep-server` prints a table.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use skep_host::{
    command::command,
    git::Repo,
    keeper::{Keeper, Options},
    owner::Owner,
    site::Site,
};
use skep_server::{
    api::CommandDoc,
    http::{
        self, App,
        tcp::{Limits, Listen, Tcp},
    },
};
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

const TASKS: usize = 1_000;
const ASKING: usize = 8;
const LONG: Duration = Duration::from_secs(5);
const CLIENTS: usize = 50;
/// Events a second while it is measured.
const RATE: u64 = 200;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "-q", "-b", "main"]);
    git(
        dir.path(),
        &["commit", "-q", "--allow-empty", "-m", "start"],
    );
    let repo = Repo::discover(dir.path()).unwrap();
    let site = Site::new(repo.root());
    // The plan has no workers, so that no shim is ever started.
    let options = Options {
        program: "/bin/false".into(),
        env: Vec::new(),
        presence: Default::default(),
        host: None,
    };
    let runtime = tokio::runtime::Handle::current();
    let keeper = Keeper::start(repo.clone(), site.clone(), options, &runtime).unwrap();
    let app = App {
        handle: keeper.handle(),
        repo,
    };
    let tcp = Tcp::bind(&Listen::default(), None, Limits::default()).unwrap();
    let door = tcp.door(Owner::of(&site).unwrap());
    let address = tcp.address();
    let router = http::router_with(app.clone(), Some(door.clone()));
    tokio::spawn(tcp.serve(router, door, std::future::pending()));
    let token = fs::read_to_string(site.token()).unwrap().trim().to_string();
    let server = Server {
        address,
        token: token.into(),
    };

    let mut plan = String::from("[swarm]\nname = \"s\"\nworkers = 0\n");
    for n in 0..TASKS {
        plan.push_str(&format!(
            "[[task]]\nid = \"t{n}\"\nmission = \"Do it.\"\ncommand = \"true\"\n"
        ));
        if n > 9 {
            plan.push_str(&format!("depends_on = [\"t{}\"]\n", n - 10));
        }
    }
    let mut loading = server.connect().await;
    loading.ask("POST", "/api/v1/plan", &plan).await;

    println!(
        "| {TASKS} tasks, {RATE} events/s, {ASKING} connections | answers/s | p50 ms | p99 ms | bytes |"
    );
    println!("|---|---|---|---|---|");
    let events = Events::begin(app.clone());
    for path in [
        "/api/v1/status",
        "/api/v1/tasks",
        "/api/v1/queue",
        "/api/v1/graph",
        "/api/v1/workers",
    ] {
        server.measure(path).await;
    }
    let before = memory();
    println!(
        "\n| events to {CLIENTS} clients at {RATE}/s | p50 ms | p99 ms | lost | memory MB before, after |"
    );
    println!("|---|---|---|---|---|");
    fan_out(&server, &events, before).await;
    events.over.store(true, Ordering::Relaxed);
    keeper.stop();
    let _ = keeper.closed().await;
}

struct Server {
    address: SocketAddr,
    token: Arc<str>,
}

impl Server {
    async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Connection {
            stream: BufReader::new(stream),
            head: format!(
                "Host: {}\r\nAuthorization: Bearer {}\r\n",
                self.address, self.token
            ),
        }
    }

    async fn measure(&self, path: &'static str) {
        let mut asking = Vec::new();
        for _ in 0..ASKING {
            let mut connection = self.connect().await;
            asking.push(tokio::spawn(async move {
                let (began, mut took, mut bytes) = (Instant::now(), Vec::new(), 0);
                while began.elapsed() < LONG {
                    let asked = Instant::now();
                    bytes = connection.ask("GET", path, "").await;
                    took.push(asked.elapsed());
                }
                (took, bytes)
            }));
        }
        let (mut all, mut bytes) = (Vec::new(), 0);
        for asking in asking {
            let (took, last) = asking.await.unwrap();
            all.extend(took);
            bytes = last;
        }
        let rate = all.len() as f64 / LONG.as_secs_f64();
        let [p50, p99] = percentiles(&mut all);
        println!("| {path} | {rate:.0} | {p50:.1} | {p99:.1} | {bytes} |");
    }
}

struct Connection {
    stream: BufReader<TcpStream>,
    head: String,
}

impl Connection {
    async fn send(&mut self, method: &str, path: &str, body: &str) {
        let (head, length) = (&self.head, body.len());
        let request =
            format!("{method} {path} HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n{body}");
        self.stream.write_all(request.as_bytes()).await.unwrap();
    }

    /// How long the answer is, after it was read whole.
    async fn ask(&mut self, method: &str, path: &str, body: &str) -> usize {
        self.send(method, path, body).await;
        let mut length = 0;
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        assert!(line.contains(" 200 "), "{line}");
        loop {
            line.clear();
            self.stream.read_line(&mut line).await.unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(said) = line.strip_prefix("content-length: ") {
                length = said.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        length
    }
}

/// Boosts and boosts again, so many times a second; says which event was committed when.
struct Events {
    over: Arc<AtomicBool>,
    committed: Arc<std::sync::Mutex<Vec<(u64, Instant)>>>,
}

impl Events {
    fn begin(app: App) -> Events {
        let over = Arc::new(AtomicBool::new(false));
        let committed = Arc::default();
        let events = Events {
            over: over.clone(),
            committed: Arc::clone(&committed),
        };
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_millis(1_000 / RATE));
            let mut n = 0;
            while !over.load(Ordering::Relaxed) {
                beat.tick().await;
                n += 1;
                let doc = CommandDoc::BoostTask {
                    task: format!("t{}", n % TASKS),
                    priority: Some(
                        if (n / TASKS).is_multiple_of(2) {
                            "P1"
                        } else {
                            "P2"
                        }
                        .into(),
                    ),
                };
                let sent = Instant::now();
                if let Ok(answer) = http::act(&app, "bench", &format!("k{n}"), &doc).await {
                    let mut committed = committed.lock().unwrap();
                    committed.push((answer.seq, sent));
                }
            }
        });
        events
    }
}

async fn fan_out(server: &Server, events: &Events, before: f64) {
    let last = events
        .committed
        .lock()
        .unwrap()
        .last()
        .map_or(0, |(seq, _)| *seq);
    let seen = Arc::new(AtomicU64::new(0));
    let mut following = Vec::new();
    for _ in 0..CLIENTS {
        let mut connection = server.connect().await;
        connection
            .send("GET", &format!("/api/v1/events?after={last}"), "")
            .await;
        let seen = seen.clone();
        following.push(tokio::spawn(async move {
            let (began, mut heard) = (Instant::now(), Vec::new());
            let mut line = String::new();
            while began.elapsed() < LONG {
                line.clear();
                connection.stream.read_line(&mut line).await.unwrap();
                if let Some(id) = line.strip_prefix("id: ") {
                    heard.push((id.trim().parse::<u64>().unwrap(), Instant::now()));
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            }
            heard
        }));
    }
    let (mut took, mut lost) = (Vec::new(), 0);
    let mut clients = Vec::new();
    for following in following {
        clients.push(following.await.unwrap());
    }
    let after = memory();
    let committed = events.committed.lock().unwrap().clone();
    for heard in clients {
        lost += heard
            .windows(2)
            .filter(|pair| pair[1].0 != pair[0].0 + 1)
            .count();
        for (seq, at) in heard {
            if let Ok(found) = committed.binary_search_by_key(&seq, |(seq, _)| *seq) {
                took.push(at.saturating_duration_since(committed[found].1));
            }
        }
    }
    let [p50, p99] = percentiles(&mut took);
    let n = seen.load(Ordering::Relaxed);
    println!(
        "| {n} from the command to its event | {p50:.1} | {p99:.1} | {lost} | {before:.0}, {after:.0} |"
    );
}

fn percentiles(all: &mut [Duration]) -> [f64; 2] {
    all.sort_unstable();
    [50, 99].map(|percent| {
        let at = all.len() * percent / 100;
        all.get(at)
            .map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    })
}

/// Resident memory of this process, clients included.
fn memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb: f64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kb / 1_024.0
}

fn git(dir: &Path, args: &[&str]) {
    let who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"];
    let status = command("git", dir).args(who).args(args).status().unwrap();
    assert!(status.success());
}
