//! What an agent may leave in its result file. The file's place is random to other attempts and outside the
//! worktree, so printed text can never forge it.

use alloc::string::String;
use serde::Deserialize;

/// A result file larger than this is not read.
pub const RESULT_MAX: u64 = 64 * 1024;

#[derive(Deserialize)]
struct ResultFile {
    no_op: Option<String>,
}

/// The reason for an explicit no-op, if the file gives one. Anything that is not such a file says nothing.
#[must_use]
pub fn result_file(bytes: &[u8]) -> Option<String> {
    let parsed: ResultFile = serde_json::from_slice(bytes).ok()?;
    parsed
        .no_op
        .map(|why| why.chars().filter(|c| !c.is_control()).take(500).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_result_says_something() {
        assert_eq!(
            result_file(br#"{"no_op":"already done\u001b[2J"}"#).as_deref(),
            Some("already done[2J")
        );
        for silent in [&b""[..], b"\xff\xfe", b"[]", b"{\"no_op\":1}", b"{}"] {
            assert_eq!(result_file(silent), None);
        }
    }
}
