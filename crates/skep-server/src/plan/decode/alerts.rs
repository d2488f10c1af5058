//! The `[[alerts.route]]` tables: whom alerts reach, by which way, and when.

use super::{Decoder, Field, Table, nowhere};
use crate::plan::fault::Fault;
use skep_core::{
    alert::{
        Rule,
        route::{Email, Quiet, Route, Secret, Tls, To, Url},
    },
    merge::Severity,
    spec::Alerts,
    time::Millis,
};
use std::net::IpAddr;

/// What a route says that says nothing of it.
pub(crate) const DEDUP: Millis = Millis::mins(10);
/// The same.
pub(crate) const PER_HOUR: u32 = 30;

/// The severities with their words.
pub(crate) const SEVERITIES: [(&str, Severity); 3] = [
    ("info", Severity::Info),
    ("warning", Severity::Warning),
    ("critical", Severity::Critical),
];

/// Which kind of route is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Webhook,
    Slack,
    Email,
    Desktop,
}

impl Kind {
    const ALL: [(&str, Kind); 4] = [
        ("webhook", Kind::Webhook),
        ("slack", Kind::Slack),
        ("email", Kind::Email),
        ("desktop", Kind::Desktop),
    ];

    /// Whether a route of this kind can have a key. Without a word, what another kind has would do nothing here.
    fn has(self, key: &str) -> bool {
        match key {
            "url" | "url_env" | "url_file" | "allow_private" => {
                matches!(self, Kind::Webhook | Kind::Slack)
            }
            "secret_env" | "secret_file" => self == Kind::Webhook,
            "server" | "tls" | "allow_plain" | "user" | "password_env" | "password_file"
            | "from" | "to" => self == Kind::Email,
            _ => true,
        }
    }
}

/// Keys of which one is enough: what the second says would not be heard.
const EITHER: [(&str, &str); 5] = [
    ("url", "url_env"),
    ("url", "url_file"),
    ("url_env", "url_file"),
    ("secret_env", "secret_file"),
    ("password_env", "password_file"),
];

impl Decoder {
    /// `[policy.alerts]`.
    pub(super) fn alert_numbers(&mut self, field: &Field<'_>) -> Option<Alerts> {
        let example = "[policy.alerts] with keys below it";
        let mut table = self.table(field, "the policy's `alerts`", example)?;
        let base = Alerts::default();
        macro_rules! read {
            ($($key:ident: $how:ident),* $(,)?) => {
                Alerts { $($key: table.take(self, stringify!($key), |d, f| d.$how(f)).unwrap_or(base.$key)),* }
            };
        }
        let alerts = read! {
            off: alert_rules,
            settle: duration,
            remind: duration,
            scaled_after: duration,
            idle_after: duration,
            crashes: count,
            crash_window: duration,
            provider_after: duration,
            ask_after: duration,
            keeper_restarts: count,
            keeper_window: duration,
        };
        table.finish(self, nowhere);
        Some(alerts)
    }

    fn alert_rules(&mut self, field: &Field<'_>) -> Option<Vec<Rule>> {
        let words = Rule::ALL.map(|rule| (rule.word(), rule));
        self.list(field, "rules", |d, f| d.choice(f, &words))
    }

    /// `[alerts]`.
    pub(super) fn alerts(&mut self, field: &Field<'_>) -> Option<Vec<Route>> {
        let mut table = self.table(field, "`alerts`", "[[alerts.route]] with keys below it")?;
        let routes = table.take(self, "route", |d, f| {
            d.list(f, "tables, each after [[alerts.route]]", Self::route)
        });
        table.finish(self, |_| {
            Some("what alerts are raised for is under [policy.alerts]".into())
        });
        routes
    }

    fn route(&mut self, field: &Field<'_>) -> Option<Route> {
        let mut t = self.table(field, "a route", "[[alerts.route]] with keys below it")?;
        let name = t.need(self, "name", "name = \"ops\"", Self::role_name);
        let kind = t.need(self, "kind", "kind = \"webhook\"", |d, f| {
            d.choice(f, &Kind::ALL)
        });
        let allow_private = t.take(self, "allow_private", Self::truth);
        let url = self.url(&mut t, kind, allow_private == Some(true));
        let secret = self.secret(&mut t, "secret_env", "secret_file");
        let email = self.email(&mut t, kind == Some(Kind::Email));
        let least = t.take(self, "least", |d, f| d.choice(f, &SEVERITIES));
        let rules = t.take(self, "rules", Self::alert_rules);
        let resolved = t.take(self, "resolved", Self::truth);
        let hours = t.take(self, "quiet", Self::hours);
        let zone = t.take(self, "zone", Self::zone);
        if zone.is_some() && !given(&t, "quiet") {
            t.missing
                .push(("quiet", "quiet = \"22:00-07:00\", or leave `zone` out"));
        }
        let dedup = t.take(self, "dedup", Self::duration);
        let per_hour = t.take(self, "per_hour", Self::count);
        self.idle_keys(&t, kind);
        t.finish(self, nowhere);
        let to = match kind? {
            Kind::Webhook => To::Webhook {
                url: url?,
                secret,
                allow_private: allow_private.unwrap_or(false),
            },
            Kind::Slack => To::Slack {
                url: url?,
                allow_private: allow_private.unwrap_or(false),
            },
            Kind::Email => To::Email(email?),
            Kind::Desktop => To::Desktop,
        };
        Some(Route {
            name: name?,
            to,
            least: least.unwrap_or(Severity::Info),
            rules: rules.unwrap_or_default(),
            resolved: resolved.unwrap_or(true),
            quiet: hours.map(|(from, to)| Quiet {
                from,
                to,
                zone: zone.unwrap_or_default(),
            }),
            dedup: dedup.unwrap_or(DEDUP),
            per_hour: per_hour.unwrap_or(PER_HOUR),
        })
    }

    /// Refuses what would do nothing: keys of another kind, and the second of two that say the same.
    fn idle_keys(&mut self, t: &Table<'_>, kind: Option<Kind>) {
        let word = Kind::ALL.iter().find(|(_, known)| Some(*known) == kind);
        for entry in t.entries {
            let key = entry.key.as_str();
            let (message, help) = match (kind, word) {
                (Some(own), Some((word, _))) if !own.has(key) => {
                    let owners = Kind::ALL.iter().filter(|(_, k)| k.has(key));
                    let owners: Vec<_> = owners.map(|(w, _)| format!("kind = \"{w}\"")).collect();
                    (
                        format!("a route of kind \"{word}\" has no `{key}`"),
                        format!("leave it out; it is for {}", owners.join(" and ")),
                    )
                }
                _ => match EITHER.iter().find(|(a, b)| *b == key && given(t, a)) {
                    Some((first, _)) => (
                        format!("`{first}` and `{key}` are both given"),
                        "leave one of them out".into(),
                    ),
                    None => continue,
                },
            };
            let fault = Fault::new("plan::bad_value", entry.key_span.clone(), message);
            self.faults.push(fault.help(help));
        }
    }

    /// Where a webhook leads. Whoever knows a Slack webhook's address may use it, so it is no text for a plan.
    fn url(&mut self, t: &mut Table<'_>, kind: Option<Kind>, private: bool) -> Option<Url> {
        let plain = t.take(self, "url", |d, f| {
            let text = d.text(f)?;
            if kind == Some(Kind::Slack) {
                let message = format!("{} is a secret: whoever knows it can write to your channel", f.name);
                let help = "put it into an environment variable of the keeper and write url_env = \"ITS_NAME\", or into a file and write url_file";
                return d.bad("plan::secret", f, message, help);
            }
            let rest = text
                .strip_prefix("https://")
                .or_else(|| text.strip_prefix("http://"));
            let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
            match host {
                Some(host) if host.contains('@') => {
                    let message = format!("{} holds a password", f.name);
                    let help = "leave it out, and sign messages with secret_env or secret_file; or keep the whole address in url_env";
                    d.bad("plan::secret", f, message, help)
                }
                Some(_) if text.starts_with("http://") && !private => {
                    let message = format!("{} is not encrypted", f.name);
                    let help = "write https://; or, for a machine of your own, allow_private = true beside it";
                    d.bad("plan::bad_value", f, message, help)
                }
                Some(host) if !host.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control()) => Some(text),
                _ => d.bad(
                    "plan::bad_value",
                    f,
                    format!("{} is no address", f.name),
                    "write one such as \"https://example.com/hook\"",
                ),
            }
        });
        let kept = self.secret(t, "url_env", "url_file");
        let url = plain.map(Url::Plain).or(kept.map(Url::Kept));
        if url.is_none()
            && matches!(kind, Some(Kind::Webhook | Kind::Slack))
            && !["url", "url_env", "url_file"]
                .iter()
                .any(|key| given(t, key))
        {
            let example = if kind == Some(Kind::Slack) {
                ("url_env", "url_env = \"SLACK_URL\", or url_file")
            } else {
                (
                    "url",
                    "url = \"https://example.com/hook\", or url_env or url_file",
                )
            };
            t.missing.push(example);
        }
        url
    }

    /// Where a secret is kept, by one of two keys.
    fn secret(
        &mut self,
        t: &mut Table<'_>,
        env: &'static str,
        file: &'static str,
    ) -> Option<Secret> {
        let env = t.take(self, env, |d, f| {
            let name = d.text(f)?;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !name.is_empty() && name.chars().all(plain) {
                return Some(name);
            }
            d.bad(
                "plan::bad_value",
                f,
                format!("{} is the name of no environment variable", f.name),
                "write the variable's name, such as \"OPS_SECRET\", and not what is in it",
            )
        });
        let file = t.take(self, file, Self::text);
        env.map(Secret::Env).or(file.map(Secret::File))
    }

    fn email(&mut self, t: &mut Table<'_>, wanted: bool) -> Option<Email> {
        let server = |d: &mut Decoder, f: &Field<'_>| {
            let text = d.text(f)?;
            let split = text.rsplit_once(':');
            let split = split.and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
            match split {
                Some((host, port)) if !host.is_empty() && port > 0 => {
                    Some((host.trim_matches(['[', ']']).to_string(), port))
                }
                _ => d.bad(
                    "plan::bad_value",
                    f,
                    format!("{} is no mail server", f.name),
                    "write its name and port, such as \"smtp.example.com:587\"",
                ),
            }
        };
        let ways = Tls::ALL.map(|tls| (tls.word(), tls));
        let (server, from, to) = if wanted {
            (
                t.need(self, "server", "server = \"smtp.example.com:587\"", server),
                t.need(self, "from", "from = \"skep@example.com\"", Self::address),
                t.need(self, "to", "to = [\"you@example.com\"]", Self::addresses),
            )
        } else {
            (
                t.take(self, "server", server),
                t.take(self, "from", Self::address),
                t.take(self, "to", Self::addresses),
            )
        };
        let allow_plain = t.take(self, "allow_plain", Self::truth).unwrap_or(false);
        let host = server.as_ref().map(|(host, _)| host.clone());
        let tls = t.take(self, "tls", |d, f| {
            let tls = d.choice(f, &ways)?;
            let near = host.as_deref().is_none_or(is_loopback);
            if tls != Tls::None || near || allow_plain {
                return Some(tls);
            }
            d.bad(
                "plan::bad_value",
                f,
                format!("{} is \"none\", and the server is not this machine", f.name),
                "use \"starttls\" or \"implicit\"; if the network between can be trusted, write allow_plain = true beside it",
            )
        });
        let user = t.take(self, "user", Self::text);
        let password = self.secret(t, "password_env", "password_file");
        let kept = given(t, "password_env") || given(t, "password_file");
        if given(t, "user") && !kept {
            t.missing.push((
                "password_env",
                "password_env = \"SMTP_PASSWORD\", or password_file",
            ));
        }
        if kept && !given(t, "user") {
            t.missing.push(("user", "user = \"you@example.com\""));
        }
        let (host, port) = server?;
        Some(Email {
            host,
            port,
            tls: tls.unwrap_or_default(),
            login: user.zip(password),
            from: from?,
            to: to?,
        })
    }

    fn addresses(&mut self, field: &Field<'_>) -> Option<Vec<String>> {
        let mut bad = false;
        let all = self.list(field, "addresses", |d, f| {
            let address = d.address(f);
            bad |= address.is_none();
            address
        })?;
        if all.is_empty() && !bad {
            let message = format!("{} is empty", field.name);
            return self.bad("plan::empty", field, message, "write who is to get it");
        }
        (!bad).then_some(all)
    }

    /// An e-mail address, without a name beside it.
    fn address(&mut self, field: &Field<'_>) -> Option<String> {
        let text = self.text(field)?;
        let plain =
            |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | ',' | ';' | '"' | '\\');
        let parts = text.rsplit_once('@');
        let good = parts.is_some_and(|(who, at)| !who.is_empty() && !at.is_empty());
        if good && text.chars().all(plain) {
            return Some(text);
        }
        self.bad(
            "plan::bad_value",
            field,
            format!("{} is no e-mail address", field.name),
            "write one such as \"you@example.com\", without a name",
        )
    }

    /// Hours of the day: `22:00-07:00`.
    fn hours(&mut self, field: &Field<'_>) -> Option<(u16, u16)> {
        let text = self.text(field)?;
        let minutes = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let split = text.split_once('-');
        let hours = split.and_then(|(from, to)| Some((minutes(from)?, minutes(to)?)));
        hours.or_else(|| {
            self.bad(
                "plan::bad_value",
                field,
                format!("{} is not a part of the day", field.name),
                "write two times of the day, such as \"22:00-07:00\"",
            )
        })
    }
}

/// Whether a table has a key, whatever is in it.
fn given(table: &Table<'_>, key: &str) -> bool {
    table.entries.iter().any(|entry| entry.key == key)
}

/// Whether a server's name is this machine's own.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
