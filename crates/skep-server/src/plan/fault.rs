//! What a reader notes down when something is wrong: a code, a sentence, places, and a way out.
//!
//! Faults hold byte ranges; [`Faults::finish`] turns them into diagnostics that hold lines and columns.

use super::{
    Format,
    diagnostic::{Diagnostic, Diagnostics},
    sources::Sources,
    tree::Span,
};
use skep_core::spec::Step;

/// How many diagnostics are shown. More than a screenful helps nobody.
pub(super) const SHOWN: usize = 20;
/// How many are kept before sorting; the rest are only counted, so that a 16 MB file of faults stays cheap.
const KEPT: usize = 200;

/// One thing wrong, with byte ranges.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) span: Span,
    pub(super) label: String,
    /// Further places that explain it, each with its own words.
    pub(super) also: Vec<(Span, String)>,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(code: &'static str, span: Span, message: impl Into<String>) -> Fault {
        Fault {
            code,
            message: message.into(),
            span,
            label: String::new(),
            also: Vec::new(),
            help: None,
        }
    }
    /// The words beside the caret.
    pub(super) fn label(mut self, label: impl Into<String>) -> Fault {
        self.label = label.into();
        self
    }
    pub(super) fn also(mut self, span: Span, label: impl Into<String>) -> Fault {
        self.also.push((span, label.into()));
        self
    }
    pub(super) fn help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }
}

/// All that is wrong with one file, so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    list: Vec<Fault>,
    more: usize,
}

impl Faults {
    pub(super) fn push(&mut self, fault: Fault) {
        if self.list.len() < KEPT {
            self.list.push(fault);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether further faults are only counted, so that wording them is wasted.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= KEPT
    }

    /// Counts faults that are not worth wording.
    pub(super) fn count(&mut self, more: usize) {
        self.more += more;
    }

    pub(super) fn duplicate_key(&mut self, key: &str, span: Span, first: Option<Span>) {
        let mut fault = Fault::new(
            "plan::duplicate_key",
            span,
            format!("the key {} is given twice", quoted(key)),
        )
        .label("given again here")
        .help("keep one of the two");
        if let Some(first) = first {
            fault = fault.also(first, "first given here");
        }
        self.push(fault);
    }

    /// The diagnostics in the order of the file.
    pub(super) fn finish(self, file: &str, text: &str, format: Format) -> Diagnostics {
        self.finish_in(file, &Sources::one(file, text, format))
    }

    /// The same for a document of several files: each fault is said where it stands.
    pub(super) fn finish_in(mut self, file: &str, sources: &Sources) -> Diagnostics {
        self.list.sort_by_key(|f| (f.span.start, f.span.end));
        let more = self.more + self.list.len().saturating_sub(SHOWN);
        let shown = self.list.into_iter().take(SHOWN);
        let list = shown
            .filter_map(|mut f| {
                let (source, span) = sources.find(&f.span)?;
                f.span = span;
                f.help = f.help.map(|help| said_in(source.format, &help));
                let mine = |(at, label): (Span, String)| {
                    let (other, at) = sources.find(&at)?;
                    // An excerpt is of one file.
                    std::ptr::eq(other, source).then_some((at, label))
                };
                f.also = f.also.into_iter().filter_map(mine).collect();
                Some(Diagnostic::new(&source.name, &source.text, f))
            })
            .collect::<Vec<_>>();
        // Where all of it is in one file, that is the one to look at.
        let only = list.first().map(|first| first.file.clone());
        let only = only.filter(|only| list.iter().all(|d| d.file == *only));
        Diagnostics::new(only.as_deref().unwrap_or(file), list, more)
    }
}

/// Help is written with TOML's syntax; this says it in the file's own. It only has to cope with the help texts
/// of this module's neighbours: `key = value`, `[table]` and `[[table]]`.
fn said_in(format: Format, help: &str) -> String {
    if matches!(format, Format::Toml | Format::Markdown) {
        return help.into();
    }
    let json = matches!(format, Format::Json | Format::Jsonc);
    let mut out = String::new();
    for (n, word) in help.split(' ').enumerate() {
        if word == "=" {
            // The word before is the key.
            let start = out.rfind(' ').map_or(0, |n| n + 1);
            let key = out.split_off(start);
            let key = if json { format!("{key:?}") } else { key };
            out.push_str(&key);
            out.push(':');
            continue;
        }
        if n > 0 {
            out.push(' ');
        }
        let bare = word.trim_end_matches([',', ':']);
        let name = bare.trim_start_matches('[').trim_end_matches(']');
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        if bare.len() > name.len() + 1 && !name.is_empty() && name.bytes().all(is_name) {
            out.push_str(&format!("`{name}`{}", &word[bare.len()..]));
        } else {
            out.push_str(word);
        }
    }
    out
}

/// A key as messages name it: one of the policy's as `skep config` names it, any other by its last step.
pub(super) fn shown_key(path: &[Step]) -> String {
    let keys = path.iter().filter_map(|step| match step {
        Step::Key(key) => Some(*key),
        Step::Name(_) | Step::Index(_) => None,
    });
    let keys: Vec<&str> = keys.collect();
    match &keys[..] {
        ["policy", number @ ..] if !number.is_empty() => format!("`{}`", number.join(".")),
        keys => format!("`{}`", keys.last().copied().unwrap_or_default()),
    }
}

/// Text from a plan as a message shows it: in quotes, never raw, never long.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(MOST).collect();
    let rest = chars.count();
    if rest == 0 {
        format!("{head:?}")
    } else {
        format!("{head:?}… ({} characters)", MOST + rest)
    }
}

/// The candidate that someone who wrote `text` most likely meant, if any is near.
pub(super) fn nearest<'c>(
    text: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // Edit distance is quadratic: a long text is near to nothing.
    if text.is_empty() || text.len() > 100 {
        return None;
    }
    let folded = text.to_lowercase().replace([' ', '-'], "_");
    candidates
        .into_iter()
        .filter_map(|c| {
            let other = c.to_lowercase().replace([' ', '-'], "_");
            let distance = strsim::damerau_levenshtein(&folded, &other);
            let longest = folded.chars().count().max(other.chars().count());
            (distance * 3 <= longest).then_some((distance, c))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}
