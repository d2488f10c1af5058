//! Who comes in over the network, and who does not: decisions on a request's head.
//!
//! A page of anybody's can have a browser send us requests. So a name that leads here by somebody's doing (DNS
//! rebinding) is not answered under, nothing changes for a page that is not ours, and what lets somebody in is in no
//! address: a header, or a cookie that the browser sends for our own pages alone.

use super::bucket::{Bucket, Rate};
use crate::api::Problem;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header, request::Parts};
use skep_host::owner::{Owner, random};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// A sign-in link works for so long, once.
const CODE_LASTS: Duration = Duration::from_secs(120);
/// So many links can be open; making another closes the oldest.
const CODES: usize = 8;
/// A browser stays signed in for so long.
const SESSION_LASTS: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Tokens, sessions and codes that are wrong. The right one is never kept waiting for others' wrong ones.
const WRONG: Rate = Rate {
    burst: 20,
    refill: Duration::from_secs(1),
};
/// Requests of whoever is let in.
const LET_IN: Rate = Rate {
    burst: 2_000,
    refill: Duration::from_millis(1),
};
/// What needs no token: the page and its parts.
const PAGES: Rate = Rate {
    burst: 400,
    refill: Duration::from_millis(10),
};
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The checks of one listener.
pub struct Door {
    owner: Owner,
    /// What the `Host` header may say.
    hosts: Vec<String>,
    /// The beginning of its own addresses, without the host.
    scheme: &'static str,
    /// Where people are sent.
    base: String,
    cookie: String,
    desk: Mutex<Desk>,
}

struct Desk {
    codes: VecDeque<Code>,
    wrong: Bucket,
    let_in: Bucket,
    pages: Bucket,
}

/// An open link. Only the signature of its code is kept: it can be compared in constant time.
struct Code {
    signature: String,
    until: Instant,
}

impl Door {
    /// A door that is reached under `hosts` (names with ports); the first is where people are sent. `secure` says
    /// that the connection is encrypted.
    #[must_use]
    pub fn new(owner: Owner, hosts: Vec<String>, secure: bool) -> Door {
        let now = Instant::now();
        let scheme = if secure { "https" } else { "http" };
        let first = hosts.first().map_or("", String::as_str);
        // Cookies know no ports: without a name of its own, each swarm on this machine would sign out the others.
        let mark = owner.sign("cookie").unwrap_or_default();
        let cookie = format!("skep-session-{}", mark.get(..8).unwrap_or_default());
        Door {
            base: format!("{scheme}://{first}"),
            owner,
            hosts: hosts.iter().map(|h| h.to_ascii_lowercase()).collect(),
            scheme,
            cookie,
            desk: Mutex::new(Desk {
                codes: VecDeque::new(),
                wrong: Bucket::full(WRONG, now),
                let_in: Bucket::full(LET_IN, now),
                pages: Bucket::full(PAGES, now),
            }),
        }
    }

    /// Where people are sent.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether a request is for this server at all: by a name that is its own.
    pub(super) fn is_meant(&self, head: &Parts) -> Result<(), Problem> {
        let mut named = head.headers.get_all(header::HOST).iter();
        let host = named.next().and_then(|host| host.to_str().ok());
        let in_address = head.uri.authority().map(|a| a.as_str());
        let known = |name: &str| self.hosts.contains(&name.to_ascii_lowercase());
        let meant = host.is_some_and(known) && named.next().is_none();
        if meant && in_address.is_none_or(known) {
            return Ok(());
        }
        let detail = "this server does not answer under the name that it was asked by";
        let hint = format!(
            "use {}; `skep up --server-name NAME` makes it known by another",
            self.base
        );
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", detail).hint(hint))
    }

    /// Lets a request for the page through, unless there are too many.
    pub(super) fn page(&self, now: Instant) -> Result<(), Problem> {
        self.desk().pages.take(now).map_err(too_many)
    }

    /// Whether a request for the API is let in.
    pub(super) fn lets_in(
        &self,
        head: &Parts,
        now: Instant,
        clock: SystemTime,
    ) -> Result<(), Problem> {
        let text = |name: &HeaderName| {
            let value = head.headers.get(name)?;
            Some(value.to_str().unwrap_or("not text"))
        };
        let host = text(&header::HOST).unwrap_or_default();
        // Browsers say who made them ask, and pages cannot change what they say. Whoever does not say is no browser,
        // or an old one: then the cookie alone moves nothing.
        let site = text(&FETCH_SITE);
        let origin = text(&header::ORIGIN);
        let ours = format!("{}://{host}", self.scheme);
        let foreign = site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
            || origin.is_some_and(|origin| !origin.eq_ignore_ascii_case(&ours));
        if foreign {
            return Err(wrong_origin("a page of another origin asks this"));
        }
        let bearer = text(&header::AUTHORIZATION).map(|v| v.strip_prefix("Bearer "));
        let good = match bearer {
            Some(token) => token.is_some_and(|token| self.owner.is(token)),
            None => match self.session(&head.headers) {
                Some(session) => {
                    let good = self.is_signed_in(session, clock);
                    let reads = matches!(head.method, Method::GET | Method::HEAD);
                    if good && !reads && site.is_none() && origin.is_none() {
                        return Err(wrong_origin("it is not said which page asks this"));
                    }
                    good
                }
                None => {
                    let detail = "this address is for the swarm's owner, who has to say so";
                    return Err(Problem::new(StatusCode::UNAUTHORIZED, "no_token", detail)
                        .hint("`skep dash` signs a browser in; programs send the token of .skep/token as `Authorization: Bearer …`"));
                }
            },
        };
        let mut desk = self.desk();
        if good {
            return desk.let_in.take(now).map_err(too_many);
        }
        desk.wrong.take(now).map_err(too_many)?;
        let detail = "this token or session is not, or no longer, good";
        Err(Problem::new(StatusCode::UNAUTHORIZED, "bad_token", detail)
            .hint("`skep dash` signs in anew; programs read .skep/token again"))
    }

    /// A link that signs one browser in, once and soon; with how long it works.
    ///
    /// # Errors
    /// When there is no token, or no randomness.
    pub fn link(&self, now: Instant) -> Result<(String, Duration), Problem> {
        let none = |detail: String| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_token", detail)
                .hint("`skep dash --new-token` makes a token")
        };
        let code = random().map_err(|error| none(format!("there is no randomness: {error}")))?;
        let signature = self.owner.sign(&for_code(&code));
        let signature =
            signature.ok_or_else(|| none("there is no token that could be relied on".into()))?;
        let mut desk = self.desk();
        desk.codes.retain(|c| c.until > now);
        if desk.codes.len() >= CODES {
            desk.codes.pop_front();
        }
        desk.codes.push_back(Code {
            signature,
            until: now + CODE_LASTS,
        });
        Ok((format!("{}/sign-in?code={code}", self.base), CODE_LASTS))
    }

    /// Takes a link's code: the `Set-Cookie` that signs in.
    pub(super) fn sign_in(
        &self,
        code: &str,
        now: Instant,
        clock: SystemTime,
    ) -> Result<String, Problem> {
        let text = for_code(code);
        let mut desk = self.desk();
        desk.codes.retain(|c| c.until > now);
        let found = desk
            .codes
            .iter()
            .position(|c| self.owner.has_signed(&text, &c.signature));
        let Some(found) = found else {
            desk.wrong.take(now).map_err(too_many)?;
            let detail = "this link was used already, or is too old";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "bad_code", detail)
                .hint("`skep dash` makes another"));
        };
        desk.codes.remove(found);
        drop(desk);
        self.owner.was_used(code);
        let until = seconds(clock) + SESSION_LASTS.as_secs();
        let session = random().ok().and_then(|random| {
            let text = format!("{until}.{random}");
            let signature = self.owner.sign(&for_session(&text))?;
            Some(format!("{text}.{signature}"))
        });
        let session = session.ok_or_else(|| {
            let detail = "there is no token that could be relied on";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_token", detail)
        })?;
        Ok(self.set_cookie(&session, SESSION_LASTS))
    }

    /// The `Set-Cookie` that signs out.
    pub(super) fn sign_out(&self) -> String {
        self.set_cookie("", Duration::ZERO)
    }

    fn set_cookie(&self, value: &str, age: Duration) -> String {
        let secure = if self.scheme == "https" {
            "; Secure"
        } else {
            ""
        };
        let (name, age) = (&self.cookie, age.as_secs());
        format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age}{secure}")
    }

    fn session<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let all = headers.get_all(header::COOKIE).iter();
        let all = all.filter_map(|value| value.to_str().ok());
        let mut pairs = all.flat_map(|text| text.split(';'));
        pairs.find_map(|pair| pair.trim().strip_prefix(&*self.cookie)?.strip_prefix('='))
    }

    fn is_signed_in(&self, session: &str, clock: SystemTime) -> bool {
        let Some((text, signature)) = session.rsplit_once('.') else {
            return false;
        };
        let until = text
            .split_once('.')
            .and_then(|(until, _)| until.parse().ok());
        self.owner.has_signed(&for_session(text), signature)
            && until.is_some_and(|until: u64| until > seconds(clock))
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is signed of a code, and of a session: neither passes for the other.
fn for_code(code: &str) -> String {
    format!("code {code}")
}
fn for_session(text: &str) -> String {
    format!("session {text}")
}

fn seconds(clock: SystemTime) -> u64 {
    let since = clock.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn wrong_origin(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "wrong_origin", detail)
        .hint("nothing was done; use the dashboard's own page, or send the token")
}

fn too_many(wait: Duration) -> Problem {
    let detail = "there are too many requests at once";
    let ms = wait.as_millis() + 1;
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many", detail).hint(format!("wait {ms} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;
    use skep_host::site::Site;

    struct Fixture {
        _dir: tempfile::TempDir,
        site: Site,
        door: Door,
        now: Instant,
        clock: SystemTime,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let site = Site::new(dir.path());
        site.create().unwrap();
        Fixture {
            door: door(&site),
            _dir: dir,
            site,
            now: Instant::now(),
            clock: SystemTime::now(),
        }
    }

    /// As a keeper opens it at its start.
    fn door(site: &Site) -> Door {
        let hosts = ["127.0.0.1:80", "localhost:80"].map(String::from);
        Door::new(Owner::of(site).unwrap(), hosts.into(), false)
    }

    impl Fixture {
        fn link(&self) -> String {
            let (link, _) = self.door.link(self.now).unwrap();
            link.split_once("code=").unwrap().1.into()
        }
        fn cookie(&self) -> String {
            let set = self.door.sign_in(&self.link(), self.now, self.clock);
            set.unwrap().split_once(';').unwrap().0.into()
        }
        fn code(&self, method: &str, headers: &[(&str, &str)]) -> String {
            self.code_at(method, headers, self.clock)
        }
        fn code_at(&self, method: &str, headers: &[(&str, &str)], clock: SystemTime) -> String {
            let mut request = Request::builder().method(method).uri("/api/v1/status");
            request = request.header("host", "127.0.0.1:80");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            match self.door.lets_in(&head, self.now, clock) {
                Ok(()) => "let in".into(),
                Err(problem) => problem.code.into(),
            }
        }
    }

    // proves: T-2
    #[test]
    fn a_link_signs_one_browser_in_once_and_soon() {
        let f = fixture();
        let link = f.link();
        let late = f.now + CODE_LASTS;
        assert_eq!(
            &*f.door.sign_in(&link, late, f.clock).unwrap_err().code,
            "bad_code"
        );
        let link = f.link();
        let set = f.door.sign_in(&link, f.now, f.clock).unwrap();
        assert!(
            set.contains("; HttpOnly; SameSite=Strict; Path=/; "),
            "{set}"
        );
        assert!(
            f.door.sign_in(&link, f.now, f.clock).is_err(),
            "used already"
        );
        // Only so many are open: the oldest closes.
        let links: Vec<_> = (0..=CODES).map(|_| f.link()).collect();
        assert!(f.door.sign_in(&links[0], f.now, f.clock).is_err());
        assert!(f.door.sign_in(&links[1], f.now, f.clock).is_ok());
    }

    // proves: T-2
    #[test]
    fn a_session_outlives_keepers_and_ends_with_its_time_or_token() {
        let mut f = fixture();
        let cookie = f.cookie();
        let with = [("cookie", &*cookie)];
        assert_eq!(f.code("GET", &with), "let in");
        f.door = door(&f.site);
        assert_eq!(f.code("GET", &with), "let in", "by the next keeper");
        let after = f.clock + SESSION_LASTS;
        assert_eq!(f.code_at("GET", &with, after), "bad_token");
        // Nobody makes one last longer, and a code is no session.
        let (name, value) = cookie.split_once('=').unwrap();
        let longer = format!("{name}=9{value}");
        assert_eq!(f.code("GET", &[("cookie", &longer)]), "bad_token");
        for forged in [
            format!("{name}="),
            format!("{name}=1.2.3"),
            format!("{name}={}", f.link()),
        ] {
            assert_eq!(
                f.code("GET", &[("cookie", &forged)]),
                "bad_token",
                "{forged}"
            );
        }
        Owner::renew(&f.site).unwrap();
        assert_eq!(f.code("GET", &with), "bad_token");
    }

    // proves: T-2
    #[test]
    fn another_pages_requests_change_and_read_nothing() {
        let f = fixture();
        let cookie = f.cookie();
        let cookie = ("cookie", &*cookie);
        let ours = ("origin", "http://127.0.0.1:80");
        assert_eq!(f.code("POST", &[cookie, ours]), "let in");
        assert_eq!(
            f.code("POST", &[cookie, ("sec-fetch-site", "same-origin")]),
            "let in"
        );
        // A form of an old browser says nothing of where it comes from.
        assert_eq!(f.code("POST", &[cookie]), "wrong_origin");
        for foreign in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", ""),
            ("origin", "https://127.0.0.1:80"),
            ("origin", "http://localhost:80"),
            ("origin", "http://127.0.0.1:80.evil.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            for method in ["GET", "POST", "OPTIONS"] {
                assert_eq!(
                    f.code(method, &[cookie, foreign]),
                    "wrong_origin",
                    "{foreign:?}"
                );
            }
        }
    }

    // proves: T-2
    #[test]
    fn wrong_tokens_are_slowed_down_and_the_right_one_is_not() {
        let f = fixture();
        let token = std::fs::read_to_string(f.site.token()).unwrap();
        let right = format!("Bearer {}", token.trim());
        assert_eq!(f.code("GET", &[]), "no_token");
        for _ in 0..WRONG.burst {
            assert_eq!(
                f.code("GET", &[("authorization", "Bearer skep-o-1")]),
                "bad_token"
            );
        }
        assert_eq!(
            f.code("GET", &[("authorization", "Basic eDp5")]),
            "too_many"
        );
        assert_eq!(f.code("POST", &[("authorization", &right)]), "let in");
    }

    // proves: T-2
    #[test]
    fn a_name_that_leads_here_by_somebodys_doing_is_not_answered_under() {
        let f = fixture();
        let meant = |uri: &str, hosts: &[&str]| {
            let mut request = Request::builder().uri(uri);
            for host in hosts {
                request = request.header("host", *host);
            }
            f.door
                .is_meant(&request.body(()).unwrap().into_parts().0)
                .is_ok()
        };
        assert!(meant("/", &["127.0.0.1:80"]) && meant("/", &["LOCALHOST:80"]));
        assert!(meant("http://localhost:80/", &["localhost:80"]));
        for hosts in [
            &[][..],
            &["evil.example"],
            &["127.0.0.1"],
            &["127.0.0.1:81"],
            &["127.0.0.1:80", "evil.example"],
            &["127.0.0.1:80.evil.example"],
        ] {
            assert!(!meant("/", hosts), "{hosts:?}");
        }
        assert!(!meant("http://evil.example/", &["localhost:80"]));
    }
}
