//! Plan files: TOML, YAML, JSON and Markdown checklists into a checked [`Plan`].
//!
//! Each format is read into one spanned tree (`tree`), one decoder (`decode`) makes the plan of it, the core
//! checks it, and everything wrong is reported at once with file, line, column and a way out.

mod checked;
mod decode;
mod diagnostic;
mod doc;
mod excerpt;
mod fault;
mod json;
pub mod layers;
mod markdown;
mod sources;
mod toml;
mod tree;
mod unfinished;
mod write;
mod yaml;

pub use diagnostic::{Diagnostic, Diagnostics};
pub use doc::schema;
pub use unfinished::Unfinished;
pub use write::{to_json, to_toml};

use fault::{Fault, Faults};
use skep_core::{id::SwarmName, spec::Plan};

/// The largest plan file. At 200 bytes a task this is most of the tasks that a swarm may hold.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// How a plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// YAML 1.2: `no` is a text, tabs do not indent.
    Yaml,
    /// JSON as RFC 8259 has it.
    Json,
    /// JSON with comments and trailing commas.
    Jsonc,
    /// A Markdown checklist.
    Markdown,
}

/// What the plan file leaves to its surroundings.
#[derive(Clone, Debug)]
pub struct Options {
    /// The swarm's name where the plan gives none: the repository's folder, made a name.
    pub default_name: SwarmName,
    /// The agent where the plan gives none.
    pub default_agent: String,
}

impl Options {
    /// The agents that plans may name without saying what they are.
    #[must_use]
    pub fn built_in(&self) -> Vec<String> {
        skep_host::agents::names()
            .map(ToString::to_string)
            .collect()
    }
}

impl Format {
    /// The format that a file's name says.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Format> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "toml" => Some(Format::Toml),
            "yaml" | "yml" => Some(Format::Yaml),
            "json" => Some(Format::Json),
            "jsonc" => Some(Format::Jsonc),
            "md" | "markdown" => Some(Format::Markdown),
            _ => None,
        }
    }

    /// The format that a text looks like, for a plan without a telling name (standard input).
    #[must_use]
    pub fn sniff(text: &str) -> Format {
        let lines = || text.lines().map(str::trim_start);
        let significant = |l: &&str| !l.is_empty() && !l.starts_with('#');
        let first = lines().find(significant).unwrap_or_default();
        let is_item = |l: &str| {
            let rest = l.strip_prefix(['-', '*', '+']).map(str::trim_start);
            rest.is_some_and(|r| ["[ ]", "[x]", "[X]"].iter().any(|b| r.starts_with(b)))
        };
        if first.starts_with('{') {
            Format::Json
        } else if lines().any(|l| l.starts_with("[[task]]") || l.starts_with("[swarm]")) {
            Format::Toml
        } else if lines().any(is_item) {
            Format::Markdown
        } else {
            match (first.find('='), first.find(':')) {
                (Some(equals), colon) if colon.is_none_or(|c| equals < c) => Format::Toml,
                (None, None) if first.starts_with('[') || first.is_empty() => Format::Toml,
                _ => Format::Yaml,
            }
        }
    }
}

/// Reads and checks a plan. `name` is the file's name for messages and, without `format`, says the format.
///
/// # Errors
/// Everything that is wrong with the plan.
pub fn read(
    name: &str,
    text: &str,
    format: Option<Format>,
    options: &Options,
) -> Result<Plan, Diagnostics> {
    let format = format_of(name, text, format);
    read_as(name, text, format, options, false)
}

/// The same from bytes, which may not be text at all.
///
/// # Errors
/// Everything that is wrong with the plan.
pub fn read_bytes(
    name: &str,
    bytes: &[u8],
    format: Option<Format>,
    options: &Options,
) -> Result<Plan, Diagnostics> {
    read(name, as_text(name, bytes)?, format, options)
}

/// Reads a Markdown checklist as a plan to be edited: unlike [`read`], it does not mind that no agent of the
/// plan can do the work yet.
///
/// # Errors
/// Everything else that is wrong with it.
pub fn import_markdown(name: &str, text: &str, options: &Options) -> Result<Plan, Diagnostics> {
    read_as(name, text, Format::Markdown, options, true)
}

fn format_of(name: &str, text: &str, told: Option<Format>) -> Format {
    told.or_else(|| Format::of_name(name))
        .unwrap_or_else(|| Format::sniff(text))
}

/// A file as text, which every format is.
fn as_text<'b>(name: &str, bytes: &'b [u8]) -> Result<&'b str, Diagnostics> {
    str::from_utf8(bytes).map_err(|error| {
        let start = error.valid_up_to();
        // What is wrong becomes a replacement character, and so can be pointed at.
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(start + 1_000)]);
        let bad = bytes.get(start).copied().unwrap_or_default();
        let message = format!("the file is not UTF-8: byte {start} is 0x{bad:02x}");
        let text = normalised(&text);
        let at = text.find('\u{fffd}').unwrap_or(text.len());
        let mut faults = Faults::default();
        faults.push(
            Fault::new("plan::not_utf8", at..at + 3, message)
                .help("save the file as UTF-8 text; if it is no text, it is no plan"),
        );
        faults.finish(name, &text, Format::Toml)
    })
}

fn read_as(
    name: &str,
    text: &str,
    format: Format,
    options: &Options,
    to_be_edited: bool,
) -> Result<Plan, Diagnostics> {
    let text = fitting(name, text, format)?;
    let mut faults = Faults::default();
    let Some(root) = read_root(&text, format, &mut faults) else {
        return Err(faults.finish(name, &text, format));
    };
    let draft = decode::decode(&root, options, &mut faults);
    checked::note(&root, &draft, format, to_be_edited, &mut faults);
    if faults.is_empty() {
        Ok(draft.plan)
    } else {
        Err(faults.finish(name, &text, format))
    }
}

/// The text as it is read, unless there is too much of it.
fn fitting(name: &str, text: &str, format: Format) -> Result<String, Diagnostics> {
    if text.len() <= MAX_BYTES {
        return Ok(normalised(text));
    }
    let mut faults = Faults::default();
    let message = format!("the file has {} bytes; {MAX_BYTES} is the most", text.len());
    let fault = Fault::new("plan::too_big", 0..0, message);
    faults.push(fault.help("split the plan into several swarms"));
    Err(faults.finish(name, &text[..text.floor_char_boundary(200)], format))
}

fn read_root(text: &str, format: Format, faults: &mut Faults) -> Option<tree::Node> {
    match format {
        Format::Toml => toml::read(text, faults),
        Format::Yaml => yaml::read(text, faults),
        Format::Json => json::read(text, false, faults),
        Format::Jsonc => json::read(text, true, faults),
        Format::Markdown => Some(markdown::read(text, faults)),
    }
}

/// Without a byte order mark, and with line feeds only: lines and columns stay what they are.
fn normalised(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.replace("\r\n", "\n")
}
