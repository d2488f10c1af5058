//! The fake log: in memory, with compare-and-set on the sequence number and appends that fail.

use skep_core::event::Record;

/// How an append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Append {
    /// Durable.
    Done,
    /// An error, and nothing was written.
    Lost,
    /// An error, although everything was written.
    Ambiguous,
    /// Another writer was faster.
    Conflict,
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) records: Vec<Record>,
}

impl Log {
    /// Appends, unless `after` is not the log's end.
    pub(crate) fn append(&mut self, after: u64, records: &[Record], fate: Append) -> Append {
        if after != self.records.len() as u64 {
            return Append::Conflict;
        }
        if fate != Append::Lost {
            self.records.extend_from_slice(records);
        }
        fate
    }
}
