//! A message of e-mail as text (RFC 5322). Header lines are made of what was checked, and of text whose every line break
//! is gone or encoded; the body is base64, so nothing in it can end it.

use super::{Trouble, mail::Mail};
use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};
use skep_core::alert::route::Email;

/// An address that cannot be anything but one, whoever made the plan.
pub(super) fn checked(address: &str) -> Result<&str, Trouble> {
    let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '<' | '>');
    if address.is_empty() || address.contains(odd) {
        return Err(Trouble::lasting(
            "an address of the route is no e-mail address",
        ));
    }
    Ok(address)
}

/// The message with its headers.
pub(super) fn letter(email: &Email, mail: &Mail) -> String {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    // Years that the format cannot have are not those of a clock.
    let date = rfc2822::to_string(&now).unwrap_or_default();
    let domain = email
        .from
        .rsplit_once('@')
        .map_or("localhost", |(_, at)| at);
    let (from, to) = (&email.from, email.to.join(",\r\n "));
    let subject = header(&mail.subject);
    let id = &mail.id;
    let body = base64(mail.text.as_bytes());
    let body = body.as_bytes().chunks(76).map(String::from_utf8_lossy);
    let body: Vec<_> = body.collect();
    let body = body.join("\r\n");
    format!(
        "Date: {date}\r\nFrom: Skep <{from}>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{id}@{domain}>\r\n\
         Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{body}"
    )
}

/// A header's text as encoded words (RFC 2047), each of whole characters and short enough for a line.
fn header(text: &str) -> String {
    /// 45 bytes are 60 letters of base64; with what stands around them, less than the 75 that a word may have.
    const BYTES: usize = 45;
    /// What no subject needs more of.
    const CHARS: usize = 200;
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.chars().filter(|c| !c.is_control()).take(CHARS) {
        if word.len() + c.len_utf8() > BYTES {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let words = words
        .iter()
        .map(|w| format!("=?utf-8?B?{}?=", base64(w.as_bytes())));
    words.collect::<Vec<_>>().join("\r\n ")
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let part = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for n in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * n)) as usize & 63];
            out.push(if n <= three.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_its_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    // proves: U-6, T-3
    #[test]
    fn no_text_makes_a_header_of_its_own() {
        let subject =
            header("a\r\nBcc: x@example.com\r\n\r\nbody ünïcödé, and so on and on and on and on");
        for line in subject.split("\r\n ") {
            assert!(
                line.starts_with("=?utf-8?B?") && line.ends_with("?="),
                "{line}"
            );
            assert!(line.len() <= 75 && line.is_ascii(), "{line}");
        }
        assert!(checked("a@b.c>\r\nRCPT TO:<d@e.f").is_err());
        assert!(checked("a@b.c").is_ok());
    }
}
