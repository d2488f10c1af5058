//! Webhooks: one POST, to a checked address, without redirects, within bounds.

use super::{
    Trouble,
    wire::{self, Reach},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Bytes,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use jiff::{Timestamp, fmt::rfc2822};
use ring::hmac;
use skep_core::time::Millis;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};

/// A receiver must have taken a message within this time, as with most senders of webhooks.
const PATIENCE: Duration = Duration::from_secs(10);
/// So much of an answer is read, to be able to close the connection in order; what it says is nobody's business.
const ANSWER: usize = 16 * 1024;

/// What is posted, and where.
pub(super) struct Post<'p> {
    pub(super) url: &'p str,
    pub(super) allow_private: bool,
    pub(super) id: String,
    pub(super) body: Vec<u8>,
    /// What it is signed with.
    pub(super) secret: Option<String>,
}

/// The signature's header: `t=…,v1=…`, a HMAC-SHA256 of `t`, a dot and the body.
pub(super) fn signature(secret: &str, seconds: u64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut signed = hmac::Context::with_key(&key);
    signed.update(format!("{seconds}.").as_bytes());
    signed.update(body);
    let tag = signed.sign();
    let hex: String = tag.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

/// Posts it, or says why it could not be.
pub(super) async fn post(post: Post<'_>) -> Result<(), Trouble> {
    tokio::time::timeout(PATIENCE, posted(post))
        .await
        .unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(Trouble::passing(format!("no answer within {seconds}s")))
        })
}

async fn posted(post: Post<'_>) -> Result<(), Trouble> {
    // Its text is not shown: it may be a secret.
    let bad = |what: &str| Trouble::lasting(format!("the route's address {what}"));
    let uri: Uri = post.url.trim().parse().map_err(|_| bad("is none"))?;
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(bad("begins with neither https:// nor http://")),
    };
    let host = uri.host().ok_or_else(|| bad("names no host"))?.to_string();
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err(bad(
            "holds a password; sign messages with secret_env instead",
        ));
    }
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    if !secure && !post.allow_private {
        return Err(bad(
            "is not encrypted; write https://, or `allow_private = true` for a machine of your own",
        ));
    }
    let reach = if post.allow_private {
        Reach::Any
    } else {
        Reach::Public
    };
    let (stream, ip) = wire::connect(&host, port, reach).await?;
    if !secure && super::guard::is_public(ip) {
        return Err(bad("is not encrypted; write https://"));
    }
    let request = request(&uri, &post)?;
    let answer = if secure {
        let stream = wire::encrypt(&host, stream).await?;
        exchange(stream, request).await?
    } else {
        exchange(stream, request).await?
    };
    judge(&answer)
}

fn request(uri: &Uri, post: &Post<'_>) -> Result<Request<Full<Bytes>>, Trouble> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |a| a.as_str());
    let mut request = Request::post(path)
        .header(HOST, authority)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("skep/", env!("CARGO_PKG_VERSION")))
        .header("x-skep-id", &post.id);
    if let Some(secret) = &post.secret {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = now.map_or(0, |now| now.as_secs());
        let signature = signature(secret, seconds, &post.body);
        request = request.header("x-skep-signature", signature);
    }
    let body = Full::new(Bytes::copy_from_slice(&post.body));
    let made = request.body(body);
    made.map_err(|_| Trouble::lasting("the route's address cannot be asked for"))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<()>, Trouble> {
    let broken = |error: hyper::Error| Trouble::passing(format!("the connection failed: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(broken);
    let answer = match answer {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            let status = Response::from_parts(head, ());
            // Whatever it says beyond its status changes nothing.
            let _ = Limited::new(body, ANSWER).collect().await;
            Ok(status)
        }
        Err(error) => Err(error),
    };
    driver.abort();
    answer
}

/// What a status means for the message.
fn judge(answer: &Response<()>) -> Result<(), Trouble> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let said = format!("the receiver answered {status}");
    if status.is_redirection() {
        let said = format!("{said}; redirects are not followed, so give the address itself");
        return Err(Trouble::lasting(said));
    }
    let again = status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY
        );
    if !again {
        return Err(Trouble::lasting(said));
    }
    let after = answer.headers().get(RETRY_AFTER);
    let after = after.and_then(|value| value.to_str().ok());
    Err(Trouble {
        after: after.and_then(|value| wait(value.trim(), Timestamp::now())),
        ..Trouble::passing(said)
    })
}

/// How long a `Retry-After` asks to wait: it is a number of seconds, or a moment.
fn wait(value: &str, now: Timestamp) -> Option<Millis> {
    if let Ok(seconds) = value.parse() {
        return Some(Millis::secs(seconds));
    }
    let until = rfc2822::parse(value).ok()?.timestamp();
    let left = until.as_millisecond() - now.as_millisecond();
    u64::try_from(left).ok().map(Millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: U-6
    #[test]
    fn a_receiver_may_say_how_long_it_wants_to_be_left_alone_in_seconds_or_by_a_moment() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        for (value, wanted) in [
            ("0", Some(0)),
            ("120", Some(120_000)),
            ("Wed, 25 Nov 2026 12:01:30 GMT", Some(90_000)),
            // What is over asks for nothing, and so does what nobody understands.
            ("Wed, 25 Nov 2026 11:00:00 GMT", None),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait(value, now), wanted.map(Millis), "{value}");
        }
        assert_eq!(wait("18446744073709551615", now), Some(Millis(u64::MAX)));
    }
}
