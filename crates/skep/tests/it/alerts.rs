//! Alerts on their way to people (U-6): real receivers on loopback, keepers that are killed in between.

mod desktop;
mod disk;
mod encrypted;
mod late;
mod receivers;

use crate::{Sandbox, until};
use receivers::{Hook, MailServer, TAKEN, Tls};
use serde_json::Value;
use std::process::Child;

/// A plan whose only task fails, with a route.
fn plan(route: &str) -> String {
    format!(
        r#"
[swarm]
name = "alerts"
workers = 1
[policy]
max_retries = 0
[policy.alerts]
settle = "100ms"
[[task]]
id = "a"
mission = "Fail. <!channel> & <b>"
command = "echo 'no <!channel> & <b>'; false"
success = ["echo 'no <!channel> & <b>' >&2; false"]
[[alerts.route]]
{route}
"#
    )
}

fn webhook(hook: &Hook, more: &str) -> String {
    plan(&format!(
        "name = \"ops\"\nkind = \"webhook\"\nurl = \"{}\"\n{more}",
        hook.url()
    ))
}

const SECRET: &str = "not for the log";

fn run(sandbox: &Sandbox, code: i32) {
    let mut run = sandbox.command(&["run", "plan.toml"]);
    run.env("OPS_SECRET", SECRET);
    let ran = crate::ran(run.output().unwrap());
    assert_eq!(ran.code, code, "{}\n{}", ran.out, ran.err);
}

/// A keeper that stays when runs end. Until it answers, a run would be a keeper of its own, and leave with its end.
fn keeper(sandbox: &Sandbox) -> Child {
    let keeper = sandbox.command(&["up"]).spawn().unwrap();
    until("the keeper", || sandbox.skep(&["alerts", "test"]).code != 4);
    keeper
}

fn list(sandbox: &Sandbox) -> Value {
    sandbox.json(&["alerts", "--json"])
}

/// What each delivery of an alert came to.
fn states(list: &Value) -> Vec<String> {
    let deliveries = list["deliveries"].as_array().unwrap().iter();
    let one = |d: &Value| {
        format!(
            "{} {}",
            d["key"].as_str().unwrap_or("test"),
            d["state"].as_str().unwrap()
        )
    };
    deliveries.map(one).collect()
}

// proves: U-6, T-2
#[test]
fn a_failed_task_reaches_a_webhook_signed_before_the_run_ends_and_the_secret_stays_out_of_everything()
 {
    let sandbox = Sandbox::new();
    let hook = Hook::start(|_| "HTTP/1.1 204 No Content\r\n\r\n".into());
    let more = "secret_env = \"OPS_SECRET\"\nallow_private = true";
    sandbox.write("plan.toml", &webhook(&hook, more));
    run(&sandbox, 1);
    let posts = hook.posts();
    let [post] = &posts[..] else {
        panic!("{posts:?}")
    };
    assert!(receivers::is_signed(post, SECRET), "{post:?}");
    let said = post.json();
    assert_eq!(said["swarm"], "alerts");
    assert_eq!(said["kind"], "raised");
    assert_eq!(said["alerts"][0]["key"], "task_failed/a");
    assert_eq!(said["alerts"][0]["severity"], "warning");
    assert_eq!(said["id"], post.header("x-skep-id"));
    assert_eq!(states(&list(&sandbox)), ["task_failed/a sent"]);
    let events = sandbox.expect(0, &["events", "--json"]).out;
    let shown = sandbox.expect(0, &["alerts"]).out;
    for text in [&events, &shown] {
        assert!(!text.contains(SECRET), "{text}");
    }
    assert!(
        shown.contains("task a needs a person") && shown.contains("ops (webhook)"),
        "{shown}"
    );
    let log = std::fs::read(sandbox.path().join(".skep/log.db")).unwrap();
    assert!(!String::from_utf8_lossy(&log).contains(SECRET));
}

// proves: U-6, W-4
#[test]
fn what_a_killed_keeper_did_not_send_the_next_one_does_under_the_same_name() {
    let sandbox = Sandbox::new();
    // The receiver takes the message and never answers: nobody knows whether it arrived.
    let hook = Hook::start(|n| match n {
        0 => String::new(),
        1 => "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".into(),
        _ => TAKEN.into(),
    });
    sandbox.write("plan.toml", &webhook(&hook, "allow_private = true"));
    let mut keeper = sandbox.command(&["run", "plan.toml"]).spawn().unwrap();
    until("the first message", || !hook.posts().is_empty());
    keeper.kill().unwrap();
    keeper.wait().unwrap();
    let mut keeper = sandbox.command(&["up"]).spawn().unwrap();
    until("it is sent", || {
        let posts = hook.posts();
        posts.len() >= 3 && states(&list(&sandbox)) == ["task_failed/a sent"]
    });
    let posts = hook.posts();
    let names: Vec<_> = posts.iter().map(|p| p.header("x-skep-id")).collect();
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    assert_eq!(posts[0].body, posts[2].body);
    // And not once more.
    sandbox.expect(0, &["alerts", "silence", "task_failed", "--for", "1h"]);
    assert_eq!(hook.posts().len(), 3);
    sandbox.expect(0, &["down"]);
    keeper.wait().unwrap();
}

// proves: U-6, T-3
#[test]
fn what_a_receiver_refuses_is_given_up_and_told_and_no_redirect_is_followed() {
    // Nobody may be sent here by the first.
    let elsewhere = Hook::start(|_| TAKEN.into());
    let there = format!(
        "HTTP/1.1 302 There\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url()
    );
    let no = "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_string();
    for (answer, wanted) in [(no, "404"), (there, "redirects are not followed")] {
        let sandbox = Sandbox::new();
        let hook = Hook::start(move |_| answer.clone());
        sandbox.write("plan.toml", &webhook(&hook, "allow_private = true"));
        run(&sandbox, 1);
        let list = list(&sandbox);
        assert_eq!(states(&list), ["task_failed/a given_up"], "{list}");
        let trouble = list["routes"][0]["trouble"].as_str().unwrap();
        assert!(trouble.contains(wanted), "{trouble}");
        let alerts = list["alerts"].as_array().unwrap().iter();
        let keys: Vec<&Value> = alerts.map(|a| &a["key"]).collect();
        assert_eq!(keys, ["task_failed/a", "undelivered/ops"]);
        assert_eq!(hook.posts().len(), 1);
    }
    assert!(elsewhere.posts().is_empty());
}

// proves: U-6, T-3
#[test]
fn no_webhook_reaches_this_machine_or_its_network_unless_the_route_says_so() {
    // Over TLS the address is looked at first, whatever it is called.
    let hosts = [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0x7f.1",
        "2130706433",
        "169.254.169.254",
    ];
    let sandbox = Sandbox::new();
    let hook = Hook::start(|_| TAKEN.into());
    let route = |n: usize, url: String| {
        format!("name = \"n{n}\"\nkind = \"webhook\"\nrules = [\"task_failed\"]\n{url}\n")
    };
    let mut routes = vec![route(0, "url_env = \"PLAIN_URL\"".into())];
    for (n, host) in hosts.iter().enumerate() {
        let url = format!("url = \"{}\"", hook.secure_url(host));
        routes.push(route(n + 1, url));
    }
    sandbox.write("plan.toml", &plan(&routes.join("[[alerts.route]]\n")));
    let mut run = sandbox.command(&["run", "plan.toml"]);
    let ran = crate::ran(run.env("PLAIN_URL", hook.url()).output().unwrap());
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    let list = list(&sandbox);
    let routes = list["routes"].as_array().unwrap();
    let troubles: Vec<&str> = routes
        .iter()
        .map(|route| route["trouble"].as_str().unwrap_or_default())
        .collect();
    assert!(troubles[0].contains("not encrypted"), "{list}");
    for (host, trouble) in hosts.iter().zip(&troubles[1..]) {
        assert!(
            trouble.contains("of this machine or of a private network"),
            "{host}: {list}"
        );
    }
    assert!(hook.posts().is_empty());
    // What a plan says openly is refused before anything runs.
    sandbox.write("plan.toml", &webhook(&hook, ""));
    let refused = sandbox.expect(2, &["run", "plan.toml"]);
    assert!(refused.err.contains("is not encrypted"), "{}", refused.err);
}

// proves: U-6, T-3
#[test]
fn slack_gets_texts_that_call_nobody_and_mail_is_one_message_whatever_a_task_prints() {
    let sandbox = Sandbox::new();
    let hook = Hook::start(|_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into());
    let mail = MailServer::start(Tls::None);
    let routes = format!(
        "name = \"slack\"\nkind = \"slack\"\nurl_env = \"SLACK_URL\"\nallow_private = true\n\
         [[alerts.route]]\nname = \"mail\"\nkind = \"email\"\nserver = \"127.0.0.1:{}\"\ntls = \"none\"\nuser = \"me\"\n\
         password_env = \"OPS_SECRET\"\nfrom = \"skep@example.com\"\nto = [\"you@example.com\", \"all@example.com\"]",
        mail.port()
    );
    sandbox.write("plan.toml", &plan(&routes));
    let mut run = sandbox.command(&["run", "plan.toml"]);
    run.env("SLACK_URL", hook.url()).env("OPS_SECRET", SECRET);
    let ran = crate::ran(run.output().unwrap());
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    let posts = hook.posts();
    let said = posts[0].json();
    let text = said["text"].as_str().unwrap();
    assert!(!text.contains(['<', '>']), "{text}");
    assert!(
        text.contains("[Skep alerts] warning: task a needs a person"),
        "{text}"
    );
    // Whoever knows a Slack webhook's address may write to the channel: it is kept like a password.
    let log = std::fs::read(sandbox.path().join(".skep/log.db")).unwrap();
    let log = String::from_utf8_lossy(&log).into_owned();
    let events = sandbox.expect(0, &["events", "--json"]).out;
    let shown = sandbox.expect(0, &["alerts", "--json"]).out;
    for text in [ran.out, ran.err, log, events, shown] {
        assert!(
            !text.contains("token-in-the-address") && !text.contains(SECRET),
            "{text}"
        );
    }
    let heard = mail.heard();
    let text = heard.join("\n");
    for wanted in [
        "AUTH PLAIN ",
        "MAIL FROM:<skep@example.com>",
        "RCPT TO:<you@example.com>",
        "RCPT TO:<all@example.com>",
        "Subject: =?utf-8?B?",
        "Auto-Submitted: auto-generated",
        "Content-Transfer-Encoding: base64",
    ] {
        assert_eq!(text.matches(wanted).count(), 1, "{wanted} in {text}");
    }
    assert!(
        !text.contains(SECRET) && !text.contains("<!channel>"),
        "{text}"
    );
    assert_eq!(
        states(&list(&sandbox)),
        ["task_failed/a sent", "task_failed/a sent"]
    );
}

// proves: U-6
#[test]
fn a_test_says_whether_it_arrived_and_why_not() {
    let sandbox = Sandbox::new();
    let hook = Hook::start(|_| TAKEN.into());
    let bad = "[[alerts.route]]\nname = \"bad\"\nkind = \"webhook\"\nurl_env = \"NOBODY_SET_THIS\"";
    let more = format!("allow_private = true\nleast = \"critical\"\n{bad}\nleast = \"critical\"");
    sandbox.write("plan.toml", &webhook(&hook, &more));
    sandbox.expect(4, &["alerts", "test"]);
    let mut keeper = keeper(&sandbox);
    run(&sandbox, 1);
    let sent = sandbox.expect(0, &["alerts", "test", "ops"]);
    assert_eq!(sent.out, "ops: sent\n");
    let shown = sandbox.expect(0, &["alerts"]).out;
    assert!(
        shown.contains("ops (webhook) was told of a test "),
        "{shown}"
    );
    assert_eq!(hook.posts()[0].json()["kind"], "test");
    let failed = sandbox.expect(3, &["alerts", "test", "bad"]);
    assert!(
        failed.out.contains("has no NOBODY_SET_THIS"),
        "{}",
        failed.out
    );
    let unknown = sandbox.expect(2, &["alerts", "silence", "task_fialed"]);
    assert!(unknown.err.contains("task_failed"), "{}", unknown.err);
    assert_ne!(sandbox.skep(&["alerts", "test", "nobody"]).code, 0);
    sandbox.expect(0, &["down"]);
    keeper.wait().unwrap();
}

// proves: U-6, U-1
#[test]
fn a_newcomer_learns_what_to_write_and_programs_get_documents() {
    let sandbox = Sandbox::new();
    let alone = sandbox.expect(0, &["alerts"]).out;
    assert!(
        alone.contains("nobody is told") && alone.contains("`skep alerts --help`"),
        "{alone}"
    );
    let help = sandbox.expect(0, &["alerts", "--help"]).out;
    // What the help shows is a route.
    let from = help.find("  [[alerts.route]]").unwrap();
    let route: String = help[from..]
        .lines()
        .take(3)
        .map(|l| format!("{}\n", l.trim()))
        .collect();
    sandbox.write("plan.toml", &plan("").replace("[[alerts.route]]\n", &route));
    sandbox.expect(0, &["run", "plan.toml", "--dry-run"]);
    let plan = plan("").replace("[[alerts.route]]\n", "");
    sandbox.write("plan.toml", &plan);
    run(&sandbox, 1);
    let help = sandbox.expect(0, &["alerts", "silence", "--help"]).out;
    assert!(
        help.contains("fully_scaled") && help.contains("undelivered"),
        "{help}"
    );
    let silenced = sandbox.json(&["alerts", "silence", "task_failed", "--for", "2h", "--json"]);
    assert_eq!(silenced["done"][0]["about"], "task_failed");
    assert_eq!(
        silenced["done"][0]["said"],
        "alerts of task_failed are silenced for 2h"
    );
    assert_eq!(list(&sandbox)["silenced"][0]["rule"], "task_failed");
    let heard = sandbox.expect(0, &["alerts", "silence", "task_failed", "--for", "0s"]);
    assert!(
        heard.err.contains("alerts of task_failed are told again"),
        "{}",
        heard.err
    );
    let again = sandbox.json(&["alerts", "silence", "task_failed", "--for", "0s", "--json"]);
    assert_eq!(again["done"][0]["changed"], false);
    let mut keeper = keeper(&sandbox);
    let nobody = sandbox.expect(3, &["alerts", "test", "--json"]);
    let said: Value = serde_json::from_str(&nobody.out).unwrap();
    assert_eq!(said["deliveries"], serde_json::json!([]));
    assert!(
        nobody.err.contains("names no route for alerts"),
        "{}",
        nobody.err
    );
    sandbox.expect(0, &["down"]);
    keeper.wait().unwrap();
}
