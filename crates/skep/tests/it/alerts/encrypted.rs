//! Alerts over TLS: only to whom the machine's own certificates prove to be the right one, and no secret before that.

use super::receivers::{Certificate, ENCRYPTED, Hook, MailServer, TAKEN, Tls};
use super::{SECRET, list, plan, states};
use crate::{Ran, Sandbox};

/// Runs a plan whose task fails, on a machine that trusts nobody but `pem`.
fn run_trusting(sandbox: &Sandbox, pem: &str) -> Ran {
    sandbox.write("roots.pem", pem);
    let mut run = sandbox.command(&["run", "plan.toml"]);
    run.env("SSL_CERT_FILE", sandbox.path().join("roots.pem"))
        .env_remove("SSL_CERT_DIR")
        .env("OPS_SECRET", SECRET);
    let ran = crate::ran(run.output().unwrap());
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    ran
}

fn https(hook: &Hook, host: &str) -> String {
    let url = hook.secure_url(host);
    plan(&format!(
        "name = \"ops\"\nkind = \"webhook\"\nurl = \"{url}\"\nsecret_env = \"OPS_SECRET\"\nallow_private = true"
    ))
}

/// A route of mail; `tls` is a line of its own, or nothing.
fn mail(port: u16, tls: &str) -> String {
    plan(&format!(
        "name = \"mail\"\nkind = \"email\"\nserver = \"localhost:{port}\"\n{tls}user = \"me\"\n\
         password_env = \"OPS_SECRET\"\nfrom = \"skep@example.com\"\nto = [\"you@example.com\"]"
    ))
}

// proves: U-6, T-3
#[test]
fn a_webhook_over_tls_gets_nothing_unless_it_is_who_the_address_names() {
    for host in ["127.0.0.1", "localhost"] {
        let sandbox = Sandbox::new();
        let certificate = Certificate::of(host);
        let trusted = certificate.pem.clone();
        let hook = Hook::secure(certificate, |_| TAKEN.into());
        sandbox.write("plan.toml", &https(&hook, host));
        run_trusting(&sandbox, &trusted);
        assert_eq!(states(&list(&sandbox)), ["task_failed/a sent"]);
        let posts = hook.posts();
        assert!(super::receivers::is_signed(&posts[0], SECRET));
        assert_eq!(posts[0].json()["alerts"][0]["key"], "task_failed/a");
    }
    // One of another name that is trusted, and one of the right name that is not.
    let other = Certificate::of("other.example");
    let (other_pem, stranger) = (other.pem.clone(), Certificate::of("127.0.0.1"));
    for (certificate, trusted) in [(other, &other_pem), (stranger, &other_pem)] {
        let sandbox = Sandbox::new();
        let hook = Hook::secure(certificate, |_| TAKEN.into());
        sandbox.write("plan.toml", &https(&hook, "127.0.0.1"));
        run_trusting(&sandbox, trusted);
        let list = list(&sandbox);
        assert_eq!(states(&list), ["task_failed/a waiting"], "{list}");
        let trouble = list["deliveries"][0]["trouble"].as_str().unwrap();
        assert!(trouble.contains("127.0.0.1 cannot be trusted"), "{trouble}");
        assert!(hook.posts().is_empty());
    }
}

// proves: U-6, T-2, T-3
#[test]
fn a_mail_server_hears_the_password_and_the_message_only_encrypted() {
    /// How the server encrypts, the plan's line for it, and what is said before.
    type Way = (
        fn(Certificate) -> Tls,
        &'static str,
        &'static [&'static str],
    );
    let kinds: [Way; 2] = [
        (Tls::Starttls, "", &["EHLO localhost", "STARTTLS"]),
        (Tls::Implicit, "tls = \"implicit\"\n", &[]),
    ];
    for (kind, line, openly) in kinds {
        let sandbox = Sandbox::new();
        let certificate = Certificate::of("localhost");
        let trusted = certificate.pem.clone();
        let server = MailServer::start(kind(certificate));
        sandbox.write("plan.toml", &mail(server.port(), line));
        run_trusting(&sandbox, &trusted);
        let list = list(&sandbox);
        assert_eq!(states(&list), ["task_failed/a sent"], "{list}");
        let heard = server.heard();
        let at = heard.iter().position(|line| line == ENCRYPTED).unwrap();
        assert_eq!(heard[..at], *openly);
        let after = heard[at..].join("\n");
        for wanted in ["EHLO localhost", "AUTH PLAIN ", "RCPT TO:<you@example.com>"] {
            assert_eq!(after.matches(wanted).count(), 1, "{wanted} in {after}");
        }
    }
}

// proves: U-6, T-2, T-3
#[test]
fn a_mail_server_that_does_not_encrypt_or_is_somebody_else_hears_nothing() {
    let stranger = Certificate::of("localhost").pem;
    for (tls, state, wanted) in [
        (Tls::None, "given_up", "offers no encryption (STARTTLS)"),
        (
            Tls::Starttls(Certificate::of("localhost")),
            "waiting",
            "localhost cannot be trusted",
        ),
    ] {
        let sandbox = Sandbox::new();
        let server = MailServer::start(tls);
        sandbox.write("plan.toml", &mail(server.port(), ""));
        run_trusting(&sandbox, &stranger);
        let list = list(&sandbox);
        assert_eq!(states(&list), [format!("task_failed/a {state}")], "{list}");
        let trouble = list["deliveries"][0]["trouble"].as_str().unwrap();
        assert!(trouble.contains(wanted), "{trouble}");
        let heard = server.heard().join("\n");
        for secret in ["AUTH", "MAIL", "DATA"] {
            assert!(!heard.contains(secret), "{heard}");
        }
    }
}

// proves: U-6, T-2
#[test]
fn a_login_that_is_refused_is_told_without_the_password_that_the_server_repeats() {
    let sandbox = Sandbox::new();
    let certificate = Certificate::of("localhost");
    let trusted = certificate.pem.clone();
    let server = MailServer::refusing(Tls::Implicit(certificate), |line| {
        let words = line.strip_prefix("AUTH PLAIN ")?;
        Some(format!("535 no such login: {words} ({SECRET})"))
    });
    sandbox.write("plan.toml", &mail(server.port(), "tls = \"implicit\"\n"));
    let ran = run_trusting(&sandbox, &trusted);
    let list = list(&sandbox);
    assert_eq!(states(&list), ["task_failed/a given_up"], "{list}");
    let trouble = list["deliveries"][0]["trouble"].as_str().unwrap();
    assert!(
        trouble.contains("the login the mail server said 535"),
        "{trouble}"
    );
    let heard = server.heard();
    let words = heard
        .iter()
        .find_map(|line| line.strip_prefix("AUTH PLAIN "));
    let events = sandbox.expect(0, &["events", "--json"]).out;
    let log = std::fs::read(sandbox.path().join(".skep/log.db")).unwrap();
    let log = String::from_utf8_lossy(&log);
    for secret in [SECRET, words.unwrap()] {
        for text in [&ran.out, &ran.err, &events, &list.to_string(), &*log] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
