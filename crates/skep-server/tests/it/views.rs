//! The queue, the timeline of attempts, the graph, and the addresses that people of earlier systems know.

use crate::api::{get, raw, serve};
use serde_json::{Value, json};

const PLAN: &str = r#"
[swarm]
name = "s"
workers = 0
[[task]]
id = "schema"
mission = "x"
command = "true"
[[task]]
id = "login"
mission = "y"
command = "true"
depends_on = ["schema"]
relations = { peer = ["schema"] }
priority = "high"
"#;

struct Asked {
    status: u16,
    body: Value,
}

async fn ask(
    served: &crate::api::Served,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Asked {
    let length = body.len();
    let more = format!("Content-Length: {length}\r\n{headers}");
    let request = get(path, &more).replacen("GET", method, 1) + body;
    let answer = raw(&served.socket, &request, "").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Asked {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        body: serde_json::from_str(body).unwrap(),
    }
}

// proves: U-2
#[tokio::test]
async fn the_queue_says_what_comes_when_and_why_not_yet() {
    let served = serve();
    let empty = ask(&served, "GET", "/api/v1/queue", "", "").await;
    assert_eq!((empty.status, &empty.body["total"]), (200, &json!(0)));
    served
        .client
        .plan("application/toml", PLAN.into(), false, "k")
        .await
        .unwrap();
    let queue = ask(&served, "GET", "/api/v1/queue", "", "").await.body;
    assert_eq!(queue["total"], 2);
    // Without workers nobody knows when.
    assert_eq!(queue["done"], Value::Null);
    let [first, second] = &queue["tasks"].as_array().unwrap()[..] else {
        panic!("{queue}")
    };
    assert_eq!(
        (&first["id"], &first["place"], &first["dependencies_met"]),
        (&json!("schema"), &json!(1), &json!(true))
    );
    assert_eq!(
        (&second["waits_for"], &second["priority"]),
        (&json!(["schema"]), &json!("P1"))
    );
    assert_eq!(
        (&first["basis"], &first["eta"]),
        (&json!("timebox"), &Value::Null)
    );
    let part = ask(&served, "GET", "/api/v1/queue?skip=1&limit=1", "", "")
        .await
        .body;
    assert_eq!(
        (&part["total"], part["tasks"].as_array().unwrap().len()),
        (&json!(2), 1)
    );
    assert_eq!(part["tasks"][0]["place"], 2);
    for bad in ["limit=0", "limit=5001", "skip=-1", "limit=x", "nothing=1"] {
        let no = ask(&served, "GET", &format!("/api/v1/queue?{bad}"), "", "").await;
        assert_eq!(
            (no.status, &no.body["code"]),
            (400, &json!("bad_query")),
            "{bad}"
        );
    }
}

// proves: U-2
#[tokio::test]
async fn attempts_and_the_graph_are_there_and_bounded() {
    let served = serve();
    served
        .client
        .plan("application/toml", PLAN.into(), false, "k")
        .await
        .unwrap();
    let list = ask(&served, "GET", "/api/v1/attempts", "", "").await.body;
    assert_eq!(
        list,
        json!({ "schema": 1, "total": 0, "attempts": [], "next": null })
    );
    for number in ["1", "0", "-1", "x", "..", "99999999999999999999", "..%2f1"] {
        let no = ask(
            &served,
            "GET",
            &format!("/api/v1/attempts/{number}"),
            "",
            "",
        )
        .await;
        assert_eq!(
            (no.status, &no.body["code"]),
            (404, &json!("no_such_attempt")),
            "{number}"
        );
    }
    let graph = ask(&served, "GET", "/api/v1/graph", "", "").await.body;
    assert_eq!(graph["tasks"].as_array().unwrap().len(), 2);
    let edges = json!([
        { "from": "login", "to": "schema", "kind": "depends_on" },
        { "from": "login", "to": "schema", "kind": "peer" },
    ]);
    assert_eq!(graph["edges"], edges);
    assert_eq!(graph["waves"].as_array().unwrap().len(), 2);
}

// proves: U-2, Q-6, S-8
#[tokio::test]
async fn the_known_addresses_do_what_the_new_ones_do() {
    let served = serve();
    served
        .client
        .plan("application/toml", PLAN.into(), false, "k")
        .await
        .unwrap();
    for what in ["status", "workers", "config"] {
        let known = ask(&served, "GET", &format!("/swarm/{what}"), "", "").await;
        let new = ask(&served, "GET", &format!("/api/v1/{what}"), "", "").await;
        assert_eq!((known.status, known.body), (200, new.body), "{what}");
    }
    let metrics = ask(&served, "GET", "/swarm/metrics?window=1h", "", "").await;
    assert_eq!((metrics.status, &metrics.body["schema"]), (200, &json!(1)));
    let status = async || ask(&served, "GET", "/swarm/status", "", "").await.body["status"].clone();
    // Each under its key as often as its sender likes, and fine where it is so already.
    for (path, state) in [
        ("/swarm/stop", "paused"),
        ("/swarm/stop", "paused"),
        ("/swarm/start", "running"),
        ("/swarm/start", "running"),
    ] {
        let key = format!("Idempotency-Key: {}\r\n", path.len());
        for _ in 0..2 {
            let done = ask(&served, "POST", path, &key, "").await;
            assert_eq!(done.status, 200, "{path}: {}", done.body);
        }
        assert_eq!(status().await, state, "{path}");
    }
    let value = async |key: &str| {
        let config = served.client.config().await.unwrap().settings;
        config.into_iter().find(|s| s.key == key).unwrap().value
    };
    let change = r#"{"concurrency": 3, "timebox": "20m"}"#;
    let done = ask(
        &served,
        "PATCH",
        "/swarm/config",
        "Idempotency-Key: c\r\n",
        change,
    )
    .await;
    assert_eq!((done.status, value("concurrency").await), (200, json!(3)));
    for _ in 0..2 {
        let reset = ask(
            &served,
            "POST",
            "/swarm/config/reset",
            "Idempotency-Key: r\r\n",
            "",
        )
        .await;
        assert_eq!(reset.status, 200, "{}", reset.body);
    }
    assert_eq!(
        (value("concurrency").await, value("timebox").await),
        (json!(6), json!("30m"))
    );
    let no = ask(
        &served,
        "PATCH",
        "/swarm/config",
        "",
        r#"{"concurrency": "many"}"#,
    )
    .await;
    assert_eq!((no.status, &no.body["code"]), (422, &json!("bad_config")));
}
