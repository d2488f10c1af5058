//! Alerts and their routes as tables of a document.

use super::tables::{Keys, bare, text, texts};
use crate::plan::{
    decode::{DEDUP, PER_HOUR, SEVERITIES},
    tree::{Node, Value},
};
use skep_core::{
    alert::{
        Rule,
        route::{Email, Quiet, Route, Secret, Tls, To, Url},
    },
    merge::Severity,
};

pub(super) fn rules(rules: &[Rule]) -> Value {
    texts(rules)
}

pub(super) fn route(route: &Route) -> Node {
    // Named one by one: a field added to the type must be written here.
    let Route {
        name,
        to,
        least,
        rules,
        resolved,
        quiet,
        dedup,
        per_hour,
    } = route;
    let mut keys = Keys::default();
    keys.put("name", text(name));
    keys.put("kind", text(to.word()));
    match to {
        To::Webhook {
            url,
            secret,
            allow_private,
        } => {
            address(&mut keys, url, *allow_private);
            if let Some(secret) = secret {
                kept(&mut keys, "secret", secret);
            }
        }
        To::Slack { url, allow_private } => address(&mut keys, url, *allow_private),
        To::Email(email) => mail(&mut keys, email),
        To::Desktop => {}
    }
    if *least != Severity::Info {
        let word = SEVERITIES.iter().find(|(_, severity)| severity == least);
        keys.maybe("least", word.map(|(word, _)| text(word)));
    }
    keys.list("rules", self::rules(rules));
    if !resolved {
        keys.put("resolved", Value::Bool(false));
    }
    if let Some(Quiet { from, to, zone }) = quiet {
        let hours = [from, to].map(|n| format!("{:02}:{:02}", n / 60, n % 60));
        keys.put("quiet", text(hours.join("-")));
        keys.put("zone", text(zone.shown()));
    }
    if *dedup != DEDUP {
        keys.put("dedup", text(dedup));
    }
    if *per_hour != PER_HOUR {
        keys.put("per_hour", Value::Int((*per_hour).into()));
    }
    bare(Value::Table(keys.0))
}

fn address(keys: &mut Keys, url: &Url, allow_private: bool) {
    match url {
        Url::Plain(url) => keys.put("url", text(url)),
        Url::Kept(secret) => kept(keys, "url", secret),
    }
    if allow_private {
        keys.put("allow_private", Value::Bool(true));
    }
}

fn kept(keys: &mut Keys, what: &str, secret: &Secret) {
    match secret {
        Secret::Env(name) => keys.put(&format!("{what}_env"), text(name)),
        Secret::File(path) => keys.put(&format!("{what}_file"), text(path)),
    }
}

fn mail(keys: &mut Keys, email: &Email) {
    let Email {
        host,
        port,
        tls,
        login,
        from,
        to,
    } = email;
    let server = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    keys.put("server", text(server));
    if *tls != Tls::Starttls {
        keys.put("tls", text(tls.word()));
    }
    if *tls == Tls::None {
        // It was allowed, or the server is this machine; a plan that says so reads back either way.
        keys.put("allow_plain", Value::Bool(true));
    }
    if let Some((user, password)) = login {
        keys.put("user", text(user));
        kept(keys, "password", password);
    }
    keys.put("from", text(from));
    keys.put("to", texts(to));
}
