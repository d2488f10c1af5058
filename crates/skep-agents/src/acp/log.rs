//! What opencode writes to its log and not to its protocol: that its provider refused, and that it tries again.
//!
//! Recorded with 1.18.33, which is asked to print its errors to standard error. It keeps its tools from there, so what is
//! read can be believed as much as the protocol; still only a line about this very session counts, and only for what
//! passes by itself: what does not is told by the protocol.

use super::{Acp, Step};
use crate::{
    fault::{ErrorKind, Fault, of_text},
    protocol::Out,
    seen::Seen,
};

impl Acp {
    pub(super) fn logged(&mut self, line: &str, out: &mut Out) {
        if !self.program.logs_retries || !matches!(self.step, Step::Prompting(_)) {
            return;
        }
        if let Some(fault) = refused(line, &self.session) {
            out.see(Seen::Retrying {
                attempt: None,
                wait: None,
                fault,
            });
        }
    }
}

/// Why a request of this session failed, if the line says so.
fn refused(line: &str, session: &str) -> Option<Fault> {
    let line = line.strip_prefix("timestamp=")?;
    // What the provider said comes last: nothing in it passes for a field.
    let (fields, said) = line.split_once(" error.error=\"")?;
    let said = said.trim_end().strip_suffix('"')?;
    let (fields, about) = fields.split_once(" message=\"stream error\" ")?;
    // A small model makes titles beside the work, and nobody waits for it.
    let ours = |field: &str| field.strip_prefix("session.id=") == Some(session);
    let is_error = fields.split(' ').any(|field| field == "level=ERROR");
    let is_work = about.split(' ').any(|field| field == "small=false");
    if !is_error || !is_work || !about.split(' ').any(ours) {
        return None;
    }
    let text = said.split_once(": ").map_or(said, |(_, text)| text);
    let kind = match of_text(said) {
        // It does not write the status. Of what it does not end with, a failing server is what is left.
        ErrorKind::Other => ErrorKind::Server,
        kind @ (ErrorKind::Server
        | ErrorKind::Network
        | ErrorKind::RateLimit
        | ErrorKind::Quota) => kind,
        _ => return None,
    };
    Some(Fault::new(kind, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn line(session: &str, small: bool, error: &str) -> alloc::string::String {
        format!(
            "timestamp=2026-11-25T17:34:10.449Z level=ERROR run=c2efe834 message=\"stream error\" providerID=fake \
             modelID=m session.id={session} small={small} agent=build mode=primary error.error=\"{error}\"\n"
        )
    }

    // proves: X-1a, X-2
    #[test]
    fn a_refusal_in_the_log_is_of_this_session_and_may_pass() {
        let kind = |line: &str| refused(line, "ses_1").map(|fault| fault.kind);
        let broke = line("ses_1", false, "AI_APICallError: upstream broke");
        assert_eq!(kind(&broke), Some(ErrorKind::Server));
        assert_eq!(refused(&broke, "ses_1").unwrap().text, "upstream broke");
        let slow = line("ses_1", false, "AI_APICallError: Rate limit reached");
        assert_eq!(kind(&slow), Some(ErrorKind::RateLimit));
        for nothing in [
            line("ses_2", false, "AI_APICallError: upstream broke"),
            line("ses_1", true, "AI_RetryError: upstream broke"),
            line(
                "ses_1",
                false,
                "AI_APICallError: Incorrect API key provided",
            ),
            broke.replace("ERROR", "INFO"),
            format!("a tool says: {broke}"),
            // In a provider's words.
            line("ses_2", false, "x session.id=ses_1 small=false "),
        ] {
            assert_eq!(kind(&nothing), None, "{nothing}");
        }
    }
}
