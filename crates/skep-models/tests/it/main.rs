//! The server itself, spoken with over a bare socket: what agents make of it is in `real`.
#![allow(clippy::unwrap_used)] // A test may panic.

mod client;

use client::{Answer, post, post_as};
use serde_json::{Value, json};
use skep_models::{Api, Call, Fault, Got, Script, Server, Stop, Turn};
use std::{collections::BTreeMap, thread, time::Duration};

const APIS: [(Api, &str, &str); 4] = [
    (Api::Messages, "/v1/messages", "/v1/messages"),
    (Api::Chat, "/v1/chat/completions", "/v1/chat/completions"),
    (Api::Responses, "/v1/responses", "/v1/responses"),
    (
        Api::Gemini,
        "/v1beta/models/m:generateContent",
        "/v1beta/models/m:streamGenerateContent",
    ),
];

/// A request of each protocol, with a shell declared.
fn request(api: Api, prompt: &str, stream: bool) -> Value {
    let schema = json!({"type": "object", "properties": {"command": {"type": "string"}}});
    let user = json!({"role": "user", "content": prompt});
    match api {
        Api::Messages => json!({"model": "m", "stream": stream, "messages": [user],
            "tools": [{"name": "bash", "input_schema": schema}]}),
        Api::Chat => json!({"model": "m", "stream": stream, "messages": [user],
            "tools": [{"type": "function", "function": {"name": "bash", "parameters": schema}}]}),
        Api::Responses => json!({"model": "m", "stream": stream, "input": [user],
            "tools": [{"type": "function", "name": "bash", "parameters": schema}]}),
        Api::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": prompt}]}],
            "tools": [{"functionDeclarations": [{"name": "bash", "parametersJsonSchema": schema}]}]}),
    }
}

fn ask(server: &Server, api: Api, prompt: &str) -> Answer {
    let (_, path, _) = APIS.iter().find(|(a, ..)| *a == api).unwrap();
    post(&server.url(), path, &request(api, prompt, false))
}

fn serving(name: &str, script: Script) -> Server {
    let server = Server::start().unwrap();
    server.script(name, script);
    server
}

// proves: X-3
#[test]
fn every_protocol_gives_the_same_turn_whole_and_streamed() {
    let shell = Turn::say("one two").call(Call::Shell("ls".into()));
    let server = serving("a", Script::default().turn(shell));
    for (api, whole, streamed) in APIS {
        let one = post(&server.url(), whole, &request(api, "[[script:a]]", false));
        let many = post(&server.url(), streamed, &request(api, "[[script:a]]", true));
        assert_eq!((one.status, many.status), (200, 200), "{api:?}");
        for part in ["bash", "ls"] {
            assert!(one.body.contains(part), "{api:?} {}", one.body);
            assert!(many.body.contains(part), "{api:?} {}", many.body);
        }
        assert!(one.body.contains("one two"), "{api:?}");
        assert!(many.body.contains("\"one \""), "{api:?} word by word");
        assert!(many.whole && many.body.ends_with("\n\n"), "{api:?}");
    }
    let asked = server.asked_by("a");
    assert_eq!(asked.len(), 8);
    assert!(
        asked
            .iter()
            .all(|a| a.got == Got::Turn(0) && a.model == "m")
    );
    assert!(asked.iter().all(|a| a.tools.contains("bash")));
}

// proves: X-3
#[test]
fn faults_are_counted_for_each_conversation() {
    let script = Script::say("hi")
        .first(Fault::Auth)
        .passes()
        .then(Fault::Server);
    let server = serving("a", script);
    let status = |who: &str| ask(&server, Api::Chat, &format!("[[script:a#{who}]]")).status;
    assert_eq!([status("x"), status("x")], [401, 200]);
    assert_eq!([status("y"), status("x"), status("y")], [401, 500, 200]);
    assert_eq!(server.asked_by("a#x").len(), 3);
}

// proves: X-3, S-5a
#[test]
fn a_limit_says_its_reset_in_the_providers_own_way() {
    let reset = Fault::RateLimit { reset: Some(7) };
    let server = serving("a", Script::fails(reset));
    server.script("b", Script::fails(Fault::RateLimit { reset: None }));
    for (api, ..) in APIS {
        let (told, untold) = (
            ask(&server, api, "[[script:a]]"),
            ask(&server, api, "[[script:b]]"),
        );
        assert_eq!((told.status, untold.status), (429, 429));
        let header = |answer: &Answer| answer.headers.get("retry-after").cloned();
        if api == Api::Gemini {
            assert!(told.body.contains(r#""retryDelay":"7s""#));
        } else {
            assert_eq!(header(&told).as_deref(), Some("7"));
        }
        assert!(header(&untold).is_none() && !untold.body.contains("retryDelay"));
    }
    let messages = ask(&server, Api::Messages, "[[script:a]]");
    let at = &messages.headers["anthropic-ratelimit-requests-reset"];
    assert!(at.parse::<jiff::Timestamp>().is_ok(), "{at}");
}

// proves: X-3
#[test]
fn silence_and_cuts_come_where_the_script_says() {
    let server = serving("hang", Script::fails(Fault::Hang));
    for (name, fault) in [
        ("within", Fault::HangWithin),
        ("cut", Fault::CutWithin),
        ("drop", Fault::Drop),
    ] {
        server.script(name, Script::fails(fault));
    }
    let body = |name: &str| request(Api::Chat, &format!("[[script:{name}]]"), true);
    let get = |name: &str| post(&server.url(), "/v1/chat/completions", &body(name));
    let cut = get("cut");
    assert!(!cut.whole && cut.body.contains("chunk"), "{cut:?}");
    let dropped = get("drop");
    assert!(
        dropped.status == 0 && dropped.body.is_empty(),
        "{dropped:?}"
    );
    // Whoever hangs up ends the silence, and the server's end ends it for the others.
    let url = server.url();
    let waits = ["hang", "within"].map(|name| {
        let (url, body) = (url.clone(), body(name));
        thread::spawn(move || post(&url, "/v1/chat/completions", &body))
    });
    let both = |asked: &[skep_models::Asked]| asked.len() == 4;
    assert!(server.wait(Duration::from_secs(30), both));
    drop(server);
    let [hang, within] = waits.map(|wait| wait.join().unwrap());
    assert_eq!((hang.status, hang.whole), (0, false));
    assert!(!within.whole);
}

// proves: X-3
#[test]
fn a_key_chooses_a_script_too_and_no_script_is_said() {
    let server = serving("a", Script::say("by key"));
    let body = request(Api::Messages, "no mark", false);
    let path = "/v1/messages";
    let by_key = post_as(&server.url(), path, "x-api-key: script-a#w1", &body);
    assert!(by_key.body.contains("by key"), "{by_key:?}");
    assert_eq!(server.asked_by("a#w1").len(), 1);
    let none = ask(&server, Api::Messages, "[[script:b]]");
    assert_eq!(none.status, 404);
    assert!(none.body.contains(r#"NAME is one of [\"a\"]"#), "{none:?}");
}

// proves: X-3
#[test]
fn what_declares_no_tools_is_answered_beside_the_script() {
    let server = serving("a", Script::say("the turn"));
    let title = json!({"model": "m", "messages": [{"role": "user", "content": "[[script:a]]"}]});
    let answer = post(&server.url(), "/v1/chat/completions", &title);
    assert!(answer.status == 200 && !answer.body.contains("the turn"));
    assert_eq!(server.asked_by("a"), [], "and is not counted");
    server.script("a", Script::write("f", "x\n").without_tools());
    let answer = post(&server.url(), "/v1/chat/completions", &title);
    assert!(answer.body.contains("SEARCH"), "an edit block: {answer:?}");
}

// proves: X-3
#[test]
fn the_example_is_scripts_and_a_refusal_says_so_everywhere() {
    let text = include_str!("../../scripts/example.json");
    let scripts: BTreeMap<String, Script> = serde_json::from_str(text).unwrap();
    assert!(scripts.len() > 10);
    assert_eq!(scripts["refusal"].turns[0].stop, Stop::Refusal);
    let wrong = serde_json::from_str::<Script>(r#"{"turn": []}"#).unwrap_err();
    assert!(
        wrong.to_string().contains("expected one of `first`"),
        "{wrong}"
    );
    let server = Server::start().unwrap();
    server.script("refusal", scripts["refusal"].clone());
    for ((api, ..), word) in APIS
        .iter()
        .zip(["refusal", "content_filter", "refusal", "SAFETY"])
    {
        let answer = ask(&server, *api, "[[script:refusal]]");
        assert!(answer.body.contains(word), "{api:?} {answer:?}");
    }
}
