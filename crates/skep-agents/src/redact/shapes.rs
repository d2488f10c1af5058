//! Secrets that are known by their looks.

/// What begins somewhere.
pub(super) enum Look<'a> {
    /// Nothing.
    No,
    /// More must be seen to tell.
    More,
    /// After `from` bytes that stay, a secret, of which this is dropped.
    Secret {
        from: usize,
        kind: &'a str,
        rest: Rest,
    },
}

/// What belongs to a secret that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rest {
    /// So many bytes.
    Left(usize),
    /// So many bytes, which are its prefix, and then as long as there are bytes of this kind.
    Then(usize, fn(u8) -> bool),
    /// As long as there are bytes of this kind.
    While(fn(u8) -> bool),
    /// A private key, to the line that ends it.
    Key,
}

impl Rest {
    /// How many of these bytes, the next ones of it, belong to it, and what does after them; none: it is over.
    /// `None`: more must be seen.
    pub(super) fn step(self, bytes: &[u8], done: usize, last: bool) -> Option<(usize, Rest)> {
        match self {
            Rest::Left(left) => {
                let step = left.min(bytes.len());
                Some((step, Rest::Left(left - step)))
            }
            Rest::Then(left, is) => {
                let step = left.min(bytes.len());
                let rest = match left - step {
                    0 => Rest::While(is),
                    left => Rest::Then(left, is),
                };
                Some((step, rest))
            }
            Rest::While(is) => {
                let step = bytes.first().is_some_and(|b| is(*b));
                Some((usize::from(step), self))
            }
            Rest::Key => key_rest(bytes, done, last),
        }
    }
}

/// One shape: its beginning, and what must follow.
struct Shape {
    kind: &'static str,
    prefix: &'static [u8],
    /// The prefix begins a word. What could be in the middle of another one must.
    word: bool,
    body: Body,
}

enum Body {
    /// At least so many of these, and among them a digit if it is asked for.
    Some(fn(u8) -> bool, usize, bool),
    /// Exactly so many of these.
    Exactly(fn(u8) -> bool, usize),
    /// Anything else.
    By(fn(&[u8], bool) -> Look<'static>),
}

const fn shape(kind: &'static str, prefix: &'static [u8], word: bool, body: Body) -> Shape {
    Shape {
        kind,
        prefix,
        word,
        body,
    }
}

/// The more telling come first.
static SHAPES: [Shape; 38] = [
    shape(
        "anthropic-key",
        b"sk-ant-",
        false,
        Body::Some(base64url, 16, false),
    ),
    shape(
        "openai-key",
        b"sk-proj-",
        false,
        Body::Some(base64url, 20, true),
    ),
    shape(
        "openai-key",
        b"sk-svcacct-",
        false,
        Body::Some(base64url, 20, true),
    ),
    shape(
        "openai-key",
        b"sk-admin-",
        false,
        Body::Some(base64url, 20, true),
    ),
    shape(
        "openrouter-key",
        b"sk-or-v1-",
        false,
        Body::Some(base64url, 20, true),
    ),
    shape("openai-key", b"sk-", true, Body::Some(alnum, 20, true)),
    shape("github-token", b"ghp_", false, Body::Some(alnum, 30, false)),
    shape("github-token", b"gho_", false, Body::Some(alnum, 30, false)),
    shape("github-token", b"ghu_", false, Body::Some(alnum, 30, false)),
    shape("github-token", b"ghs_", false, Body::Some(alnum, 30, false)),
    shape("github-token", b"ghr_", false, Body::Some(alnum, 30, false)),
    shape(
        "github-token",
        b"github_pat_",
        false,
        Body::Some(word, 30, false),
    ),
    shape(
        "gitlab-token",
        b"glpat-",
        false,
        Body::Some(base64url, 20, false),
    ),
    shape("google-key", b"AIza", true, Body::Exactly(base64url, 35)),
    shape(
        "google-token",
        b"ya29.",
        true,
        Body::Some(base64url, 30, false),
    ),
    shape("aws-key-id", b"AKIA", true, Body::Exactly(upper, 16)),
    shape("aws-key-id", b"ASIA", true, Body::Exactly(upper, 16)),
    shape(
        "aws-secret",
        b"aws_secret_access_key",
        false,
        Body::By(aws_secret),
    ),
    shape(
        "aws-secret",
        b"AWS_SECRET_ACCESS_KEY",
        false,
        Body::By(aws_secret),
    ),
    shape(
        "aws-secret",
        b"SecretAccessKey",
        false,
        Body::By(aws_secret),
    ),
    shape(
        "slack-token",
        b"xoxb-",
        false,
        Body::Some(base64url, 20, true),
    ),
    shape(
        "slack-token",
        b"xoxp-",
        false,
        Body::Some(base64url, 20, true),
    ),
    shape(
        "slack-token",
        b"xoxa-",
        false,
        Body::Some(base64url, 20, true),
    ),
    shape(
        "slack-token",
        b"xoxr-",
        false,
        Body::Some(base64url, 20, true),
    ),
    shape(
        "slack-token",
        b"xoxs-",
        false,
        Body::Some(base64url, 20, true),
    ),
    shape(
        "slack-token",
        b"xapp-",
        false,
        Body::Some(base64url, 20, true),
    ),
    shape("huggingface-token", b"hf_", true, Body::Exactly(alnum, 34)),
    shape("npm-token", b"npm_", true, Body::Exactly(alnum, 36)),
    shape(
        "stripe-key",
        b"sk_live_",
        false,
        Body::Some(alnum, 16, false),
    ),
    shape("groq-key", b"gsk_", true, Body::Some(alnum, 40, true)),
    shape("xai-key", b"xai-", true, Body::Some(alnum, 40, true)),
    shape(
        "age-key",
        b"AGE-SECRET-KEY-1",
        false,
        Body::Some(upper, 40, true),
    ),
    shape("skep-token", b"skep-a", false, Body::By(skep_token)),
    shape("jwt", b"eyJ", true, Body::By(jwt)),
    shape("private-key", b"-----BEGIN ", false, Body::By(private_key)),
    shape("bearer", b"Bearer ", true, Body::By(bearer)),
    shape("bearer", b"bearer ", true, Body::By(bearer)),
    shape("password", b"://", false, Body::By(password)),
];

pub(super) fn prefixes() -> impl Iterator<Item = &'static [u8]> {
    SHAPES.iter().map(|shape| shape.prefix)
}

/// What begins here by its looks, after what was before.
pub(super) fn look(before: &[u8], bytes: &[u8], last: bool) -> Look<'static> {
    let mut more = false;
    for shape in &SHAPES {
        if shape.prefix.len() > bytes.len() {
            more |=
                !last && shape.prefix.starts_with(bytes) && (!shape.word || begins_word(before));
            continue;
        }
        if !bytes.starts_with(shape.prefix) || (shape.word && !begins_word(before)) {
            continue;
        }
        let body = &bytes[shape.prefix.len()..];
        match found(shape, body, last) {
            Look::No => {}
            // Whoever comes first in the list decides first, whatever the others would say.
            Look::More => return Look::More,
            found if !more => return found,
            _ => return Look::More,
        }
    }
    if more { Look::More } else { Look::No }
}

fn found(shape: &Shape, body: &[u8], last: bool) -> Look<'static> {
    let at = shape.prefix.len();
    match shape.body {
        Body::Some(is, least, digit) => {
            let some = body.iter().take(least).take_while(|b| is(**b)).count();
            if some < least {
                return more(some == body.len() && !last);
            }
            if digit && !body[..least].iter().any(u8::is_ascii_digit) {
                return Look::No;
            }
            Look::Secret {
                from: 0,
                kind: shape.kind,
                rest: Rest::Then(at, is),
            }
        }
        Body::Exactly(is, length) => {
            let some = body.iter().take(length + 1).take_while(|b| is(**b)).count();
            if some == length && (body.len() > length || last) {
                return Look::Secret {
                    from: 0,
                    kind: shape.kind,
                    rest: Rest::Left(at + length),
                };
            }
            more(some == body.len() && some <= length && !last)
        }
        Body::By(look) => match look(body, last) {
            Look::Secret { from, rest, .. } => Look::Secret {
                from: if from == WHOLE { 0 } else { at + from },
                kind: shape.kind,
                rest,
            },
            other => other,
        },
    }
}

/// For a secret of which the prefix is a part. Other prefixes stay, and tell what was there.
const WHOLE: usize = usize::MAX;

fn more(yes: bool) -> Look<'static> {
    if yes { Look::More } else { Look::No }
}

/// A word begins here: nothing of one is before, or what seems to be is the end of an escape (`\n` in JSON, a
/// colour).
fn begins_word(before: &[u8]) -> bool {
    let Some((end, rest)) = before.split_last() else {
        return true;
    };
    if !(end.is_ascii_alphanumeric() || matches!(end, b'_' | b'-' | b'+' | b'/')) {
        return true;
    }
    if matches!(end, b'n' | b't' | b'r' | b'b' | b'f') && rest.ends_with(b"\\") {
        return true;
    }
    let digits = |b: &u8| b.is_ascii_digit() || *b == b';';
    // No further than what is remembered in any case.
    let sequence = rest.iter().rev().take(12).find(|b| !digits(b));
    *end == b'/' && rest.ends_with(b"/") || *end == b'm' && sequence == Some(&b'[')
}

fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}
fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}
fn base64url(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
}
fn upper(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}
fn token(b: u8) -> bool {
    base64url(b) || matches!(b, b'.' | b'~' | b'+' | b'/' | b'=')
}
fn base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

/// The parts of a run: how many bytes of it are here, and whether it ends here.
fn run(bytes: &[u8], is: fn(u8) -> bool, most: usize) -> usize {
    bytes.iter().take(most).take_while(|b| is(**b)).count()
}

/// Quotes, an equals sign or a colon, and 40 bytes.
fn aws_secret(body: &[u8], last: bool) -> Look<'static> {
    let between = |b: u8| matches!(b, b' ' | b'"' | b'\'' | b'=' | b':' | b'\\');
    let gap = run(body, between, 9);
    if gap == 0 || gap > 8 {
        return more(body.is_empty() && !last);
    }
    let value = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let length = run(&body[gap..], value, 41);
    if length == 40 && (body.len() > gap + length || last) {
        return secret(gap, Rest::Left(40));
    }
    more(length <= 40 && body.len() == gap + length && !last)
}

/// `Bearer` and at least 16 bytes with a digit among them: no word has one.
fn bearer(body: &[u8], last: bool) -> Look<'static> {
    const LEAST: usize = 16;
    let length = run(body, token, LEAST);
    if length < LEAST {
        return more(length == body.len() && !last);
    }
    if !body[..LEAST].iter().any(u8::is_ascii_digit) {
        return Look::No;
    }
    secret(0, Rest::While(token))
}

/// The number of an attempt, and 64 hexadecimal digits.
fn skep_token(body: &[u8], last: bool) -> Look<'static> {
    let digits = run(body, |b| b.is_ascii_digit(), 20);
    let Some(rest) = body
        .get(digits..)
        .filter(|rest| digits > 0 && !rest.is_empty())
    else {
        return more(digits == body.len() && digits < 20 && !last);
    };
    let Some(rest) = rest.strip_prefix(b"-") else {
        return Look::No;
    };
    // The half of one is told already: what is left of it would help whoever guesses.
    let hex = run(rest, |b| b.is_ascii_hexdigit(), 32);
    if hex == 32 {
        return secret(WHOLE, Rest::While(base64url));
    }
    more(hex == rest.len() && !last)
}

/// Two objects in base64 and a signature, with dots between them.
fn jwt(body: &[u8], last: bool) -> Look<'static> {
    const HEADER: usize = 1024;
    let header = run(body, base64url, HEADER);
    let (Some(rest), true) = (body.get(header..), (8..HEADER).contains(&header)) else {
        return more(header == body.len() && header < HEADER && !last);
    };
    let wanted: &[u8] = b".eyJ";
    if rest.len() < wanted.len() {
        return more(wanted.starts_with(rest) && !last);
    }
    if !rest.starts_with(wanted) {
        return Look::No;
    }
    secret(WHOLE, Rest::While(|b| base64url(b) || b == b'.'))
}

/// `user:password@`, before any slash.
fn password(body: &[u8], last: bool) -> Look<'static> {
    const USER: usize = 100;
    const PASSWORD: usize = 200;
    let is = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'.' | b'_'
                    | b'~'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
                    | b'%'
                    | b'-'
                    | b'^'
                    | b'#'
            )
    };
    let user = run(body, is, USER);
    match body.get(user) {
        None => return more(user < USER && !last),
        Some(b':') => {}
        Some(_) => return Look::No,
    }
    let rest = &body[user + 1..];
    let length = run(rest, is, PASSWORD);
    match rest.get(length) {
        None => more(length < PASSWORD && !last),
        // A variable's name is no password, nor is what somebody else made unreadable.
        Some(b'@') if length > 0 && !matches!(rest[0], b'$' | b'*' | b'%') => {
            secret(user + 1, Rest::Left(length))
        }
        Some(_) => Look::No,
    }
}

const DASHES: &[u8] = b"-----";
/// How far behind its first line a key's first bytes are looked for: line numbers and headers may come before.
const KEY_BEGINS: usize = 256;
/// So many bytes of base64 in a row are a key's.
const KEY_RUN: usize = 32;

/// A private key's first line, with a key behind it. A text that only talks of keys has none.
fn private_key(body: &[u8], last: bool) -> Look<'static> {
    const NAME: &[u8] = b"PRIVATE KEY";
    let line = run(body, |b| b.is_ascii_uppercase() || b == b' ', 48);
    if line == body.len() && line < 48 {
        return more(!last);
    }
    let named = body[..line].ends_with(NAME) || body[..line].ends_with(b"PRIVATE KEY BLOCK");
    let rest = &body[line..];
    if !named {
        return Look::No;
    }
    if rest.len() < DASHES.len() {
        return more(DASHES.starts_with(rest) && !last);
    }
    let Some(rest) = rest.strip_prefix(DASHES) else {
        return Look::No;
    };
    let mut length = 0;
    // In JSON a line's end is `\n`, whose second byte looks like base64, and ends the run before.
    for (at, byte) in rest.iter().take(KEY_BEGINS).enumerate() {
        let escaped = at > 0 && rest[at - 1] == b'\\';
        length = if base64(*byte) && !escaped {
            length + 1
        } else {
            0
        };
        if length == KEY_RUN {
            return secret(WHOLE, Rest::Key);
        }
        if rest[at..].starts_with(b"-----END") {
            return Look::No;
        }
    }
    more(rest.len() < KEY_BEGINS && !last)
}

/// The rest of a key: up to the line that ends it, or to what no key holds.
fn key_rest(bytes: &[u8], done: usize, last: bool) -> Option<(usize, Rest)> {
    /// `-----BEGIN `, which would be taken for an end.
    const FIRST: usize = 11;
    const END: &[u8] = b"-----END ";
    if done < FIRST {
        return Some(((FIRST - done).min(bytes.len()), Rest::Key));
    }
    // What must be looked at again with more behind it: all before it is dropped already.
    let again = |at: usize| (at > 0).then_some((at, Rest::Key));
    for (at, byte) in bytes.iter().enumerate() {
        let rest = &bytes[at..];
        if let Some(name) = rest.strip_prefix(END) {
            let line = run(name, |b| b.is_ascii_uppercase() || b == b' ', 48);
            let dashes = run(&name[line..], |b| b == b'-', DASHES.len());
            if line + dashes == name.len() && dashes < DASHES.len() && !last {
                return again(at);
            }
            return Some((at + END.len() + line + dashes, Rest::Left(0)));
        }
        if !last && END.starts_with(rest) {
            return again(at);
        }
        // Backslashes stand for ends of lines only where a letter follows: before a quote they belong to that.
        if *byte == b'\\' {
            let slashes = run(rest, |b| b == b'\\', 8);
            match rest.get(slashes) {
                Some(b'n' | b'r' | b't') => {}
                None if !last => return again(at),
                _ => return Some((at, Rest::Left(0))),
            }
        } else if !is_of_key(*byte) {
            return Some((at, Rest::Left(0)));
        }
    }
    Some((bytes.len(), Rest::Key))
}

fn is_of_key(b: u8) -> bool {
    base64(b)
        || b.is_ascii_whitespace()
        || matches!(b, b'-' | b',' | b':' | b'|' | b'.')
        || b >= 0x80
}

fn secret(from: usize, rest: Rest) -> Look<'static> {
    Look::Secret {
        from,
        kind: "",
        rest,
    }
}
