//! Server-sent events, as far as our own server sends them: lines in, the data of each event out.

use std::collections::VecDeque;

/// Bytes that came and are not yet events.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: VecDeque<u8>,
    data: String,
}

impl Lines {
    /// More bytes came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend(bytes);
    }

    /// The data of the next event that is whole.
    pub(super) fn event(&mut self) -> Option<String> {
        while let Some(end) = self.pending.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                if !self.data.is_empty() {
                    return Some(std::mem::take(&mut self.data));
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_whole_however_the_bytes_are_cut() {
        let text = ": hello\n\nid: 1\ndata: {\"a\":\ndata: 1}\n\nid: 2\r\ndata: b\r\n\r\ndata: half\n";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                lines.push(chunk);
                found.extend(std::iter::from_fn(|| lines.event()));
            }
            assert_eq!(found, ["{\"a\":\n1}", "b"], "in pieces of {size}");
        }
    }
}
