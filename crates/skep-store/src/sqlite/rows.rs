//! Entries and snapshots as rows: the only statements that read and write them.

use super::{fault::fault, mark::Tip, place::Place};
use crate::{Damage, Entry, LoadError, NewEntry, Snapshot, chain};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use skep_core::time::Time;
use std::ops::ControlFlow;

/// An entry as it lies in the page, not yet copied.
pub(crate) struct Raw<'a> {
    seq: u64,
    at: u64,
    kind: &'a str,
    trace: &'a str,
    body: &'a str,
    hash: chain::Hash,
}

impl<'a> Raw<'a> {
    fn read(row: &'a Row<'_>) -> Result<Self> {
        Ok(Self {
            seq: row.get::<_, i64>(0)?.cast_unsigned(),
            at: row.get::<_, i64>(1)?.cast_unsigned(),
            kind: row.get_ref(2)?.as_str()?,
            trace: row.get_ref(3)?.as_str()?,
            body: row.get_ref(4)?.as_str()?,
            hash: row.get(5)?,
        })
    }

    pub(crate) fn to_entry(&self) -> Entry {
        Entry {
            seq: self.seq,
            at: Time(self.at),
            kind: self.kind.into(),
            trace: self.trace.into(),
            body: self.body.into(),
        }
    }
}

/// The last entry's number and hash.
pub(crate) fn last(conn: &Connection) -> Result<Tip> {
    let mut statement =
        conn.prepare_cached("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1")?;
    let tip = |row: &Row<'_>| {
        Ok(Tip {
            seq: row.get::<_, i64>(0)?.cast_unsigned(),
            hash: row.get(1)?,
        })
    };
    Ok(statement.query_row([], tip).optional()?.unwrap_or(Tip {
        seq: 0,
        hash: chain::GENESIS,
    }))
}

/// The hash of entry `seq`, if it is there.
pub(crate) fn hash_at(conn: &Connection, seq: u64) -> Result<Option<chain::Hash>> {
    if seq == 0 {
        return Ok(Some(chain::GENESIS));
    }
    conn.prepare_cached("SELECT hash FROM entry WHERE seq = ?")?
        .query_row([seq.cast_signed()], |row| row.get(0))
        .optional()
}

/// Inserts `entries` after `tip` and returns the new tip.
pub(crate) fn insert(
    conn: &Connection,
    chain: &mut chain::Chain,
    mut tip: Tip,
    entries: &[NewEntry],
) -> Result<Tip> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO entry (seq, at, kind, trace, body, hash) VALUES (?,?,?,?,?,?)",
    )?;
    for entry in entries {
        let seq = tip.seq + 1;
        let texts = [&*entry.kind, &*entry.trace, &*entry.body];
        let hash = chain.link(&tip.hash, seq, entry.at.0, texts);
        let at = entry.at.0.cast_signed();
        let [kind, trace, body] = texts;
        statement.execute(params![seq.cast_signed(), at, kind, trace, body, hash])?;
        tip = Tip { seq, hash };
    }
    Ok(tip)
}

/// Gives `each` the entries from `after` to `tip`, each one verified, until it breaks.
pub(crate) fn walk(
    conn: &Connection,
    place: &Place,
    chain: &mut chain::Chain,
    after: u64,
    tip: Tip,
    each: &mut dyn FnMut(&Raw<'_>) -> ControlFlow<()>,
) -> std::result::Result<(), LoadError> {
    let io = |e| LoadError::Fault(fault(place, "read", e));
    let missing = Damage::Entry { seq: after };
    let hash = hash_at(conn, after).map_err(io)?.ok_or(missing)?;
    let mut at = Tip { seq: after, hash };
    let mut statement = conn
        .prepare_cached(
            "SELECT seq, at, kind, trace, body, hash FROM entry WHERE seq > ? ORDER BY seq",
        )
        .map_err(io)?;
    let mut rows = statement.query([after.cast_signed()]).map_err(io)?;
    while let Some(row) = rows.next().map_err(io)? {
        let expected = at.seq + 1;
        // A value of a type that was never put there is as good as a wrong one.
        let raw = Raw::read(row).map_err(|_| Damage::Entry { seq: expected })?;
        if raw.seq != expected {
            let found = raw.seq;
            return Err(Damage::Gap { expected, found }.into());
        }
        let hash = chain.link(&at.hash, raw.seq, raw.at, [raw.kind, raw.trace, raw.body]);
        if hash != raw.hash {
            return Err(Damage::Entry { seq: expected }.into());
        }
        at = Tip {
            seq: expected,
            hash,
        };
        if each(&raw).is_break() {
            return Ok(());
        }
    }
    if at == tip {
        Ok(())
    } else {
        let (has, had) = (at.seq, tip.seq);
        Err(Damage::Shorter { has, had }.into())
    }
}

/// A snapshot row.
pub(crate) struct Found {
    pub(crate) seq: u64,
    /// The snapshot, if it matches its hash and this log.
    pub(crate) sound: Option<Snapshot>,
}

/// The snapshots there are, newest first.
pub(crate) fn snapshots(conn: &Connection) -> Result<Vec<Found>> {
    let mut statement =
        conn.prepare_cached("SELECT seq, format, body, hash FROM snapshot ORDER BY seq DESC")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)?.cast_unsigned();
        let sound = read_snapshot(conn, row, seq).ok().flatten();
        found.push(Found { seq, sound });
    }
    Ok(found)
}

fn read_snapshot(conn: &Connection, row: &Row<'_>, seq: u64) -> Result<Option<Snapshot>> {
    let snapshot = Snapshot {
        seq,
        format: row.get(1)?,
        body: row.get(2)?,
    };
    let stored: chain::Hash = row.get(3)?;
    let Some(tip) = hash_at(conn, seq)? else {
        return Ok(None);
    };
    let hash = chain::snapshot(&tip, seq, snapshot.format, &snapshot.body);
    Ok((hash == stored).then_some(snapshot))
}
