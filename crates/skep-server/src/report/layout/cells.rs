//! What stands in one place of a table.

use std::fmt::Display;

/// How a cell is to be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Good,
    Care,
    Bad,
}

/// One text, of whatever characters: whoever writes it escapes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tone: Tone,
    /// A command or a commit.
    pub(crate) code: bool,
    /// It is read against the cells above and below.
    pub(crate) number: bool,
    pub(crate) fit: Fit,
}

/// How much room a cell needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fit {
    #[default]
    Any,
    /// It stays on one line.
    Whole,
    /// It is a sentence or more.
    Long,
}

/// A sentence or more.
pub(crate) fn long(text: impl Into<String>) -> Cell {
    Cell {
        fit: Fit::Long,
        ..cell(text)
    }
}

/// What stays on one line, such as a moment.
pub(crate) fn whole(text: impl Into<String>) -> Cell {
    Cell {
        fit: Fit::Whole,
        ..cell(text)
    }
}

pub(crate) fn cell(text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        ..Cell::default()
    }
}

pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Cell {
    Cell { tone, ..cell(text) }
}

pub(crate) fn code(text: impl Into<String>) -> Cell {
    Cell {
        code: true,
        ..cell(text)
    }
}

pub(crate) fn number(n: impl Display) -> Cell {
    Cell {
        number: true,
        ..cell(n.to_string())
    }
}
