//! What went wrong between an agent and its provider, by kind. The kind decides what becomes of the attempt;
//! the text only tells a person.
//!
//! A kind comes from a field of an error event where the vendor gives one, else from the error event's own
//! text. What an agent or a tool says is never looked at.

use crate::{
    json::Json,
    seen::Until,
    text::{EXCERPT, excerpt},
};
use alloc::string::String;
use serde::{Deserialize, Serialize};
pub use skep_core::fault::ErrorKind;
use skep_core::time::Millis;

/// A failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind.
    pub kind: ErrorKind,
    /// Whether the vendor, or else the kind, says that it may pass.
    pub retryable: bool,
    /// In the vendor's words.
    pub text: String,
}

impl Fault {
    /// A failure whose kind is known.
    pub(crate) fn new(kind: ErrorKind, text: &str) -> Fault {
        Fault {
            kind,
            retryable: kind.retryable(),
            text: excerpt(text, EXCERPT),
        }
    }

    /// A failure with an HTTP status, if there was one; its text tells two kinds of 400 and 429 apart.
    pub(crate) fn of(status: Option<u64>, text: &str) -> Fault {
        let told = status.and_then(ErrorKind::of_status);
        let kind = match (told, of_words(text)) {
            (Some(ErrorKind::RateLimit), Some(ErrorKind::Quota)) => ErrorKind::Quota,
            (Some(ErrorKind::Request), Some(ErrorKind::Context)) => ErrorKind::Context,
            (Some(kind), _) => kind,
            (None, _) => of_text(text),
        };
        Fault::new(kind, text)
    }
}

/// The kind of an error that is only told in words.
pub(crate) fn of_text(text: &str) -> ErrorKind {
    let told = status_in(text).and_then(ErrorKind::of_status);
    match (told, of_words(text)) {
        (Some(ErrorKind::RateLimit), Some(ErrorKind::Quota)) => ErrorKind::Quota,
        (Some(ErrorKind::Request), Some(words)) => words,
        (Some(kind), _) => kind,
        (None, words) => words.unwrap_or(ErrorKind::Other),
    }
}

/// The HTTP status that an error's text names: at its beginning, or after a word that says so.
fn status_in(text: &str) -> Option<u64> {
    let number = |text: &str| {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        (digits == 3).then(|| text[..3].parse().ok()).flatten()
    };
    number(text).or_else(|| {
        [
            "status: ",
            "status ",
            "status code ",
            "\"code\":",
            "Error: ",
            "(",
        ]
        .iter()
        .find_map(|mark| {
            text.match_indices(mark)
                .find_map(|(at, _)| number(&text[at + mark.len()..]))
        })
        .filter(|status| (400..600).contains(status))
    })
}

/// Phrases of error events that carry no status, from recorded runs.
fn of_words(text: &str) -> Option<ErrorKind> {
    const WORDS: &[(&str, ErrorKind)] = &[
        ("quota", ErrorKind::Quota),
        ("billing", ErrorKind::Quota),
        ("usage limit", ErrorKind::RateLimit),
        ("rate limit", ErrorKind::RateLimit),
        ("too many requests", ErrorKind::RateLimit),
        ("context window", ErrorKind::Context),
        ("context length", ErrorKind::Context),
        ("prompt is too long", ErrorKind::Context),
        ("content_filter", ErrorKind::Policy),
        ("unauthorized", ErrorKind::Auth),
        ("api key", ErrorKind::Auth),
        ("authentication", ErrorKind::Auth),
        ("not logged in", ErrorKind::Auth),
        ("high demand", ErrorKind::Server),
        ("overloaded", ErrorKind::Server),
        ("server error", ErrorKind::Server),
        ("disconnected", ErrorKind::Network),
        ("timed out", ErrorKind::Network),
        ("timeout", ErrorKind::Network),
        ("connect", ErrorKind::Network),
        ("fetch failed", ErrorKind::Network),
        ("terminated", ErrorKind::Network),
        ("abort", ErrorKind::Interrupted),
        ("interrupted", ErrorKind::Interrupted),
    ];
    let text = text.to_ascii_lowercase();
    WORDS
        .iter()
        .find(|(words, _)| text.contains(words))
        .map(|(_, kind)| *kind)
}

/// A `retry-after` header: seconds, which may have a fraction. Dates are rare and not read.
pub(crate) fn retry_after(value: &Json) -> Option<Until> {
    let seconds = value.f64().or_else(|| value.str().parse().ok())?;
    // Above a year it is no wait but a mistake. The cast is in range.
    (0.0..=31_536_000.0)
        .contains(&seconds)
        .then_some(Until::After(Millis((seconds * 1000.0) as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: X-1a, X-2
    #[test]
    fn every_recorded_error_text_has_its_kind() {
        for (text, kind) in [
            (
                "unexpected status 401 Unauthorized: Incorrect API key provided: sk-test., url: http://127.0.0.1:34131/",
                ErrorKind::Auth,
            ),
            (
                "exceeded retry limit, last status: 429 Too Many Requests",
                ErrorKind::RateLimit,
            ),
            (
                "We’re currently experiencing high demand, which may cause temporary errors.",
                ErrorKind::Server,
            ),
            (
                "Codex ran out of room in the model's context window. Start a new thread",
                ErrorKind::Context,
            ),
            (
                "Quota exceeded. Check your plan and billing details.",
                ErrorKind::Quota,
            ),
            (
                "stream disconnected before completion: idle timeout waiting for SSE",
                ErrorKind::Network,
            ),
            (
                "Connection failed: error sending request",
                ErrorKind::Network,
            ),
            ("429 Rate limit reached (fake).", ErrorKind::RateLimit),
            (
                "429 You exceeded your current quota, please check your plan",
                ErrorKind::Quota,
            ),
            ("401 Incorrect API key provided: sk-test.", ErrorKind::Auth),
            ("500 Internal server error (fake)", ErrorKind::Server),
            (
                "[API Error: {\"error\":{\"code\":400,\"message\":\"This model's maximum context length is 128000 tokens.\"}}]",
                ErrorKind::Context,
            ),
            (
                "[API Error: {\"error\":{\"code\":500,\"message\":\"Internal\"}}]",
                ErrorKind::Server,
            ),
            (
                "[API Error: exception TypeError: fetch failed sending request]",
                ErrorKind::Network,
            ),
            ("[API Error: terminated]", ErrorKind::Network),
            (
                "API Error: Request rejected (429) · Rate limit reached (fake).",
                ErrorKind::RateLimit,
            ),
            (
                "Internal error: Incorrect API key provided: sk-test.",
                ErrorKind::Auth,
            ),
            ("Request was aborted.", ErrorKind::Interrupted),
            ("Provider finish_reason: content_filter", ErrorKind::Policy),
            ("something else, 4290 of them", ErrorKind::Other),
            ("", ErrorKind::Other),
        ] {
            assert_eq!(of_text(text), kind, "{text}");
        }
    }

    #[test]
    fn a_wait_is_read_and_nonsense_is_not() {
        let read = |json| retry_after(&Json::parse(json).unwrap());
        assert_eq!(read("\"2\""), Some(Until::After(Millis(2000))));
        assert_eq!(read("1.5"), Some(Until::After(Millis(1500))));
        for nonsense in ["-1", "\"soon\"", "1e300", "null", "\"NaN\""] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
