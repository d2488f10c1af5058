//! How each provider says no.

use crate::{request::Api, script::Fault};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// A status, headers and a body.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// The refusal of a fault; none for those that are silence.
pub(crate) fn of(fault: &Fault, api: Api, now: Timestamp) -> Option<Refusal> {
    let (status, text) = match fault {
        Fault::Hang | Fault::HangWithin | Fault::Drop | Fault::CutWithin => return None,
        Fault::Status {
            status,
            headers,
            body,
        } => {
            let headers = headers.iter().map(|(n, v)| (n.clone(), v.clone()));
            return Some(Refusal {
                status: *status,
                headers: headers.collect(),
                body: body.clone(),
            });
        }
        Fault::RateLimit { reset: Some(s) } if api != Api::Messages => (
            429,
            format!("Rate limit reached (scripted). Please try again in {s}s."),
        ),
        Fault::RateLimit { .. } => (429, "Rate limit reached (scripted).".into()),
        Fault::Quota if api == Api::Messages => (
            429,
            "Your organization has used up its quota; see plan and billing (scripted).".into(),
        ),
        Fault::Quota => (
            429,
            "You exceeded your current quota, please check your plan and billing details.".into(),
        ),
        Fault::Auth if api == Api::Messages => (401, "invalid x-api-key".into()),
        Fault::Auth if api == Api::Gemini => (
            401,
            "API keys are not supported by this API (scripted).".into(),
        ),
        Fault::Auth => (401, "Incorrect API key provided: sk-scripted.".into()),
        Fault::Server => (500, "Internal server error (scripted)".into()),
        Fault::Overloaded if api == Api::Messages => (529, "Overloaded".into()),
        Fault::Overloaded => (503, "The model is overloaded. Please try again later.".into()),
        Fault::Context if api == Api::Messages => (
            400,
            "prompt is too long: 250000 tokens > 200000 maximum".into(),
        ),
        Fault::Context => (
            400,
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 250000 tokens."
                .into(),
        ),
    };
    let reset = match fault {
        Fault::RateLimit { reset } => *reset,
        _ => None,
    };
    Some(Refusal {
        status,
        headers: headers(api, reset, now),
        body: body(fault, api, status, &text, reset).to_string(),
    })
}

fn headers(api: Api, reset: Option<u64>, now: Timestamp) -> Vec<(String, String)> {
    let mut all = vec![("content-type".into(), "application/json".into())];
    let Some(seconds) = reset else { return all };
    let mut add = |name: &str, value: String| all.push((name.into(), value));
    match api {
        Api::Messages => {
            let wait = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            let at = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
            // Real ones are without fractions of a second.
            let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
            add("retry-after", seconds.to_string());
            add("anthropic-ratelimit-requests-limit", "50".into());
            add("anthropic-ratelimit-requests-remaining", "0".into());
            add("anthropic-ratelimit-requests-reset", at.to_string());
        }
        Api::Chat | Api::Responses => {
            add("retry-after", seconds.to_string());
            add("x-ratelimit-remaining-requests", "0".into());
            add("x-ratelimit-reset-requests", format!("{seconds}s"));
        }
        // It says it in the body.
        Api::Gemini => {}
    }
    all
}

fn body(fault: &Fault, api: Api, status: u16, text: &str, reset: Option<u64>) -> Value {
    match api {
        Api::Messages => json!({"type": "error", "request_id": "req_scripted",
            "error": {"type": messages_type(status), "message": text}}),
        Api::Chat | Api::Responses => {
            let (kind, code) = match fault {
                Fault::Quota => ("insufficient_quota", "insufficient_quota"),
                Fault::Auth => ("invalid_request_error", "invalid_api_key"),
                Fault::Context => ("invalid_request_error", "context_length_exceeded"),
                Fault::RateLimit { .. } => ("requests", "rate_limit_exceeded"),
                _ => ("server_error", "server_error"),
            };
            json!({"error": {"message": text, "type": kind, "param": null, "code": code}})
        }
        Api::Gemini => {
            let mut details = Vec::new();
            if let Some(seconds) = reset {
                details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo",
                    "retryDelay": format!("{seconds}s")}));
            }
            if *fault == Fault::Quota {
                details.push(json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
                    {"quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaMetric": "requests"}]}));
            }
            json!({"error": {"code": status, "message": text, "status": gemini_status(status), "details": details}})
        }
    }
}

fn messages_type(status: u16) -> &'static str {
    match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}

fn gemini_status(status: u16) -> &'static str {
    match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}
