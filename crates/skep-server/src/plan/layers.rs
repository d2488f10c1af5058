//! Layers of configuration under and over a plan (U-11): option > environment > `skep.local.toml` > plan >
//! `skep.toml` > the user's `config.toml` > default.
//!
//! Each layer has the plan's own tables and is judged by itself first, so that nonsense is said of the file that
//! holds it, and nothing is taken from any. Then all are laid over each other as trees, and what comes of that is
//! read as one plan, whose values still know where they stand.

mod find;
mod guard;
mod overlay;
mod sample;

pub use find::{LOCAL, LayerError, LayerFile, PROJECT, Places, keys, variable};
pub use overlay::Stated;
pub use sample::sample;

use super::{
    Format, Options, checked, decode,
    diagnostic::Diagnostics,
    fault::{Fault, Faults, quoted},
    fitting, format_of, json, normalised, read_root,
    sources::{Sources, moved},
    toml,
    tree::{Entry, Node, Value},
};
use skep_core::spec::{Plan, Policy};
use std::collections::BTreeMap;

/// The largest file of a configuration: far more than every key with its words.
const MAX_BYTES: usize = 1024 * 1024;

/// Which layer. Ordered: what comes later goes before what comes earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// The user's `config.toml`.
    User,
    /// The repository's `skep.toml`.
    Project,
    /// The plan itself.
    Plan,
    /// The repository's `skep.local.toml`, which nobody commits.
    Local,
    /// Variables `SKEP_…`.
    Environment,
    /// Options of the command.
    Flag,
}

impl Rank {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Rank::User => "user",
            Rank::Project => "project",
            Rank::Plan => "plan",
            Rank::Local => "local",
            Rank::Environment => "environment",
            Rank::Flag => "option",
        }
    }
}

/// One layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Which.
    pub rank: Rank,
    /// What it holds.
    pub content: Content,
    /// Whether somebody has said that it may do more than set numbers.
    pub trusted: bool,
}

/// What a layer holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// A TOML file: its name for messages, and its text.
    File(String, String),
    /// Values one by one.
    Values(Vec<OneValue>),
}

/// A value that stands by itself: of a variable, or of an option.
#[derive(Clone, Debug)]
pub struct OneValue {
    /// The key, with dots: `policy.concurrency`.
    pub key: String,
    /// How messages name it: `$SKEP_POLICY_CONCURRENCY`.
    pub name: String,
    /// As it was written.
    pub text: String,
}

/// All layers but the plan, lowest first.
#[derive(Clone, Debug, Default)]
pub struct Layers(pub Vec<Layer>);

/// Trees laid over each other, and where their parts come from.
struct Laid {
    sources: Sources,
    root: Node,
}

impl Layers {
    /// Reads a plan with the layers under and over it.
    ///
    /// # Errors
    /// Everything wrong with the first layer that has a fault, or with the plan.
    pub fn read_plan(
        &self,
        name: &str,
        bytes: &[u8],
        format: Option<Format>,
        options: &Options,
    ) -> Result<Plan, Diagnostics> {
        self.check(options)?;
        let text = super::as_text(name, bytes)?;
        let format = format_of(name, text, format);
        let text = fitting(name, text, format)?;
        let mut faults = Faults::default();
        let root = match read_root(&text, format, &mut faults) {
            Some(root) if matches!(root.value, Value::Table(_)) => root,
            // Nothing can be laid over or under that: it is said what is wrong with it alone.
            _ => return super::read_as(name, &text, format, options, false),
        };
        let laid = self.lay(Some((name, &text, format, root)));
        let origins = laid.origins();
        let draft = decode::decode(&laid.root, options, &mut faults);
        checked::note(&laid.root, &draft, format, false, &mut faults);
        if !faults.is_empty() {
            return Err(faults.finish_in(name, &laid.sources));
        }
        let mut plan = draft.plan;
        plan.swarm.origins = origins;
        Ok(plan)
    }

    /// The numbers as they would be for a plan that says nothing of them, and where they come from.
    ///
    /// # Errors
    /// As [`read_plan`](Layers::read_plan).
    pub fn policy(
        &self,
        options: &Options,
    ) -> Result<(Policy, BTreeMap<String, String>), Diagnostics> {
        const PLAN: &str =
            r#"{"task":[{"id":"config","mission":"None.","command":"true","agent":"shell"}]}"#;
        let json = Some(Format::Json);
        let plan = self.read_plan("a plan", PLAN.as_bytes(), json, options)?;
        let mut origins = plan.swarm.origins;
        origins.retain(|_, from| !from.starts_with("a plan"));
        Ok((plan.swarm.policy, origins))
    }

    /// Every value that the layers state, by key, lowest layer first.
    ///
    /// # Errors
    /// As [`read_plan`](Layers::read_plan).
    pub fn stated(&self, options: &Options) -> Result<BTreeMap<String, Vec<Stated>>, Diagnostics> {
        self.check(options)?;
        let mut all: BTreeMap<String, Vec<Stated>> = BTreeMap::new();
        for layer in &self.0 {
            let laid = Layers(vec![layer.clone()]).lay(None);
            for (key, value, place) in overlay::leaves(&laid.root, &laid.sources) {
                let rank = layer.rank;
                all.entry(key)
                    .or_default()
                    .push(Stated { rank, place, value });
            }
        }
        Ok(all)
    }

    /// Whether each layer makes sense by itself.
    ///
    /// # Errors
    /// Everything wrong with the first that does not.
    pub fn check(&self, options: &Options) -> Result<(), Diagnostics> {
        for layer in &self.0 {
            let mut sources = Sources::default();
            let mut faults = Faults::default();
            let root = layer.read(&mut sources, &mut faults);
            if let Some(root) = root {
                guard::tasks(&root, layer, &mut faults);
                if layer.rank == Rank::Project && !layer.trusted {
                    guard::untrusted(&root, &mut faults);
                }
                decode::decode(&root, options, &mut faults);
            }
            if !faults.is_empty() {
                return Err(faults.finish_in(&layer.name(), &sources));
            }
        }
        Ok(())
    }

    /// Lays the layers, and the plan among them, over each other. They were read without a fault before.
    fn lay(&self, plan: Option<(&str, &str, Format, Node)>) -> Laid {
        let mut sources = Sources::default();
        let mut ranked: Vec<(Rank, Node)> = Vec::new();
        if let Some((name, text, format, root)) = plan {
            sources.add(name, text, format);
            ranked.push((Rank::Plan, root));
        }
        for layer in &self.0 {
            let mut none = Faults::default();
            ranked.extend(layer.read(&mut sources, &mut none).map(|r| (layer.rank, r)));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let mut root = Node::new(Value::Table(Vec::new()), 0..0);
        for (_, mut upper) in ranked {
            overlay::one_budget(&mut upper);
            overlay::lay(&mut root, upper);
        }
        Laid { sources, root }
    }
}

impl Laid {
    /// Where each value stands, by the key that `skep config` has for it.
    fn origins(&self) -> BTreeMap<String, String> {
        let leaves = overlay::leaves(&self.root, &self.sources).into_iter();
        let named = leaves.map(|(key, _, place)| {
            let key = key.strip_prefix("policy.").unwrap_or(&key).to_string();
            (key, place)
        });
        named.filter(|(key, _)| key != "task").collect()
    }
}

impl Layer {
    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.content {
            Content::File(name, _) => name.clone(),
            Content::Values(_) => match self.rank {
                Rank::Environment => "the environment".into(),
                _ => "the options".into(),
            },
        }
    }

    fn read(&self, sources: &mut Sources, faults: &mut Faults) -> Option<Node> {
        match &self.content {
            Content::File(name, text) => {
                let text = normalised(text);
                let by = sources.add(name, &text, Format::Toml);
                if text.len() > MAX_BYTES {
                    let message =
                        format!("the file has {} bytes; {MAX_BYTES} is the most", text.len());
                    faults.push(Fault::new("plan::too_big", by..by, message));
                    return None;
                }
                // Faults of syntax are those of the only file that is read: every caller reads others elsewhere.
                let root = toml::read(&text, faults)?;
                Some(moved(root, by))
            }
            Content::Values(values) => {
                let mut root = Node::new(Value::Table(Vec::new()), 0..0);
                for value in values {
                    let by = sources.add(&value.name, &value.text, Format::Toml);
                    let leaf = moved(typed(&value.text), by);
                    overlay::lay(&mut root, overlay::at(&value.key, leaf));
                }
                Some(root)
            }
        }
    }
}

/// A value as a person types it where there are no quotes: a number, a truth value or a list is one, and all else is
/// a text.
fn typed(text: &str) -> Node {
    let whole = 0..text.len();
    let mut faults = Faults::default();
    let found = json::read(text, false, &mut faults).filter(|_| faults.is_empty());
    match found {
        Some(node) if !matches!(node.value, Value::Null | Value::Text(_)) => node,
        _ => Node::new(Value::Text(text.into()), whole),
    }
}

/// A key of a table in a message.
fn named(entry: &Entry) -> String {
    quoted(&entry.key)
}
