//! SQLite's errors in the words of a log.

use super::place::Place;
use crate::{Damage, Fault};
use rusqlite::{Error, ErrorCode as Code};

/// With less than this free, an I/O error is taken for a full disk: SQLite reports it so when its
/// shared memory file, of 32 KB at a time, cannot grow.
const NEARLY_FULL: u64 = 64 * 1024;

/// Says what an error of SQLite means for the log.
pub(crate) fn fault(place: &Place, doing: &'static str, error: Error) -> Fault {
    let path = place.db.clone();
    let damaged = |error: Error| {
        Fault::Damaged(Damage::File {
            path: path.clone(),
            detail: error.to_string(),
        })
    };
    let Some(failure) = error.sqlite_error() else {
        // Not SQLite but its values: a column holds what was never put there.
        return damaged(error);
    };
    let io = failure.code == Code::SystemIoFailure || failure.code == Code::CannotOpen;
    let free = place.free();
    match failure.code {
        Code::DiskFull => Fault::Full { path, free },
        // Before the guess at a full disk: these are about the file's content.
        _ if matches!(
            failure.extended_code,
            rusqlite::ffi::SQLITE_IOERR_SHORT_READ | rusqlite::ffi::SQLITE_IOERR_DATA
        ) =>
        {
            damaged(error)
        }
        _ if io && free < NEARLY_FULL => Fault::Full { path, free },
        Code::DatabaseBusy | Code::DatabaseLocked | Code::FileLockingProtocolFailed => {
            Fault::Busy { path }
        }
        Code::ReadOnly | Code::PermissionDenied | Code::AuthorizationForStatementDenied => {
            Fault::ReadOnly { path }
        }
        Code::CannotOpen if !place.is_writable() => Fault::ReadOnly { path },
        // Unknown is SQLite's plain error: our statements are fixed, so the schema must be off.
        Code::DatabaseCorrupt
        | Code::NotADatabase
        | Code::SchemaChanged
        | Code::ConstraintViolation
        | Code::TypeMismatch
        | Code::TooBig
        | Code::Unknown => damaged(error),
        _ => Fault::Io {
            doing,
            path,
            source: error.into(),
        },
    }
}
