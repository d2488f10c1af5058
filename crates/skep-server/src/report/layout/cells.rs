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
