//! A task as a client writes it: the same keys as in a plan file, in JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    id::{TaskId, check_name},
    money::Usd,
    spec::{
        Command, Complexity, Criterion, Glob, ModelWish, Priority, Relation, RelationKind, TaskSpec,
    },
    time::Millis,
};

/// A task. Keys that are left out mean what they mean in a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // The keys of a plan file, described in its schema.
pub struct TaskInput {
    pub id: String,
    pub mission: String,
    pub brief: String,
    pub success: Vec<CriterionInput>,
    pub depends_on: Vec<String>,
    pub role: Option<String>,
    pub category: Option<String>,
    pub priority: Option<String>,
    pub capabilities: Vec<String>,
    /// The model preferred.
    pub model: Option<String>,
    /// Whether no other model will do.
    pub model_required: bool,
    pub agent: Option<String>,
    pub command: Option<CommandInput>,
    pub timebox: Option<String>,
    pub budget: Option<f64>,
    pub files: Vec<String>,
    pub owner_key: Option<String>,
    pub hazards: Vec<String>,
    pub complexity: Option<String>,
    pub relations: RelationsInput,
    pub max_retries: Option<u32>,
    pub allow_no_op: bool,
}

/// A command: a line for `sh -c`, or words that no shell sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CommandInput {
    /// Run as `sh -c LINE`.
    Line(String),
    /// Program and arguments.
    Words(Vec<String>),
}

/// One success criterion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CriterionInput {
    /// This exits 0.
    Run(CommandInput),
    /// `{ "changed": GLOB }`, `{ "exists": PATH }` or `{ "says": TEXT }`.
    Other(OtherCriterion),
}

/// A criterion that is not a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OtherCriterion {
    /// A file that matches has changed.
    Changed(String),
    /// This path exists.
    Exists(String),
    /// Text for the agent and the reviewer.
    Says(String),
}

/// Relations that do not order tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // The words of SPEC Q-1.
pub struct RelationsInput {
    pub parent: Vec<String>,
    pub supports: Vec<String>,
    pub complements: Vec<String>,
    pub peer: Vec<String>,
}

impl From<&CommandInput> for Command {
    fn from(input: &CommandInput) -> Command {
        match input {
            CommandInput::Line(line) => Command::Line(line.clone()),
            CommandInput::Words(words) => Command::Words(words.clone()),
        }
    }
}

impl TaskInput {
    /// The task that is meant. Only the form is checked here; the core checks the rest.
    ///
    /// # Errors
    /// The first value that is not well formed, in a sentence that names its key.
    pub fn read(&self) -> Result<TaskSpec, String> {
        let name = |key: &str, text: &str| -> Result<TaskId, String> {
            text.parse()
                .map_err(|fault| format!("{key}: {text:?} {fault}"))
        };
        let names = |key: &str, list: &[String]| -> Result<Vec<TaskId>, String> {
            list.iter().map(|text| name(key, text)).collect()
        };
        let mut relations = Vec::new();
        for (key, kind, list) in [
            (
                "relations.parent",
                RelationKind::Parent,
                &self.relations.parent,
            ),
            (
                "relations.supports",
                RelationKind::Supports,
                &self.relations.supports,
            ),
            (
                "relations.complements",
                RelationKind::Complements,
                &self.relations.complements,
            ),
            ("relations.peer", RelationKind::Peer, &self.relations.peer),
        ] {
            relations.extend(
                names(key, list)?
                    .into_iter()
                    .map(|to| Relation { kind, to }),
            );
        }
        let timebox = self
            .timebox
            .as_deref()
            .map(str::parse::<Millis>)
            .transpose();
        let budget = self.budget.map(Usd::from_dollars).transpose();
        let wish = if self.model_required {
            ModelWish::Required
        } else {
            ModelWish::Preferred
        };
        Ok(TaskSpec {
            id: name("id", &self.id)?,
            mission: self.mission.clone(),
            brief: self.brief.clone(),
            success: self
                .success
                .iter()
                .map(criterion)
                .collect::<Result<_, _>>()?,
            depends_on: names("depends_on", &self.depends_on)?,
            role: self.role.as_deref().map(role).transpose()?,
            category: self.category.clone(),
            priority: self
                .priority
                .as_deref()
                .map_or(Ok(Priority::default()), priority)?,
            capabilities: self.capabilities.clone(),
            model: self.model.clone().map(wish),
            agent: self.agent.clone(),
            command: self.command.as_ref().map(Command::from),
            timebox: timebox.map_err(|fault| format!("timebox: {fault}"))?,
            budget: budget.map_err(|fault| format!("budget: {fault}"))?,
            files: self
                .files
                .iter()
                .map(|f| glob("files", f))
                .collect::<Result<_, _>>()?,
            owner_key: self.owner_key.clone(),
            hazards: self.hazards.clone(),
            complexity: self.complexity.as_deref().map(complexity).transpose()?,
            relations,
            max_retries: self.max_retries,
            allow_no_op: self.allow_no_op,
        })
    }

    /// The same task as a client would write it: what `skep tasks edit` begins from.
    #[must_use]
    pub fn of(spec: &TaskSpec) -> TaskInput {
        let names = |list: &[TaskId]| list.iter().map(ToString::to_string).collect();
        let related = |kind| {
            let of_kind = spec.relations.iter().filter(|r| r.kind == kind);
            of_kind.map(|r| r.to.to_string()).collect()
        };
        TaskInput {
            id: spec.id.to_string(),
            mission: spec.mission.clone(),
            brief: spec.brief.clone(),
            success: spec.success.iter().map(criterion_input).collect(),
            depends_on: names(&spec.depends_on),
            role: spec.role.clone(),
            category: spec.category.clone(),
            priority: Some(format!("{:?}", spec.priority)),
            capabilities: spec.capabilities.clone(),
            model: spec.model.as_ref().map(|m| match m {
                ModelWish::Required(model) | ModelWish::Preferred(model) => model.clone(),
            }),
            model_required: matches!(spec.model, Some(ModelWish::Required(_))),
            agent: spec.agent.clone(),
            command: spec.command.as_ref().map(command_input),
            timebox: spec.timebox.map(|t| t.to_string()),
            budget: spec.budget.map(Usd::dollars),
            files: spec.files.iter().map(ToString::to_string).collect(),
            owner_key: spec.owner_key.clone(),
            hazards: spec.hazards.clone(),
            complexity: spec.complexity.map(|c| format!("{c:?}").to_lowercase()),
            relations: RelationsInput {
                parent: related(RelationKind::Parent),
                supports: related(RelationKind::Supports),
                complements: related(RelationKind::Complements),
                peer: related(RelationKind::Peer),
            },
            max_retries: spec.max_retries,
            allow_no_op: spec.allow_no_op,
        }
    }
}

fn criterion_input(criterion: &Criterion) -> CriterionInput {
    let other = match criterion {
        Criterion::Run(command) => return CriterionInput::Run(command_input(command)),
        Criterion::Changed(glob) => OtherCriterion::Changed(glob.to_string()),
        Criterion::Exists(path) => OtherCriterion::Exists(path.clone()),
        Criterion::Says(text) => OtherCriterion::Says(text.clone()),
    };
    CriterionInput::Other(other)
}

fn command_input(command: &Command) -> CommandInput {
    match command {
        Command::Line(line) => CommandInput::Line(line.clone()),
        Command::Words(words) => CommandInput::Words(words.clone()),
    }
}

fn criterion(input: &CriterionInput) -> Result<Criterion, String> {
    Ok(match input {
        CriterionInput::Run(command) => Criterion::Run(command.into()),
        CriterionInput::Other(OtherCriterion::Changed(text)) => {
            Criterion::Changed(glob("success", text)?)
        }
        CriterionInput::Other(OtherCriterion::Exists(path)) => Criterion::Exists(path.clone()),
        CriterionInput::Other(OtherCriterion::Says(text)) => Criterion::Says(text.clone()),
    })
}

fn glob(key: &str, text: &str) -> Result<Glob, String> {
    Glob::new(text).map_err(|fault| format!("{key}: {text:?} {fault}"))
}

/// A priority by name.
///
/// # Errors
/// A sentence that says which there are.
pub(super) fn priority(text: &str) -> Result<Priority, String> {
    match text.to_ascii_lowercase().as_str() {
        "p0" | "critical" => Ok(Priority::P0),
        "p1" | "high" => Ok(Priority::P1),
        "p2" | "medium" => Ok(Priority::P2),
        "p3" | "low" => Ok(Priority::P3),
        _ => Err(format!(
            "priority: {text:?} is not a priority; they are P0 (critical), P1 (high), P2 (medium), P3 (low)"
        )),
    }
}

/// A role's name, as a plan may have it: it becomes part of titles and command lines.
pub(super) fn role(text: &str) -> Result<String, String> {
    check_name(text).map_err(|fault| format!("role: {text:?} {fault}"))?;
    Ok(text.into())
}

fn complexity(text: &str) -> Result<Complexity, String> {
    match text {
        "simple" => Ok(Complexity::Simple),
        "moderate" => Ok(Complexity::Moderate),
        "complex" => Ok(Complexity::Complex),
        _ => Err(format!(
            "complexity: {text:?} is not a complexity; they are simple, moderate, complex"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_reads_as_it_is_written_and_back() {
        let text = r#"{"id": "login", "mission": "Use it.", "success": ["cargo test", ["ls", "x"], {"changed": "db/**"},
            {"exists": "a"}, {"says": "b"}], "depends_on": ["schema"], "priority": "high", "timebox": "20m",
            "budget": 1.5, "command": "true", "relations": {"peer": ["other"]}, "complexity": "complex"}"#;
        let spec = serde_json::from_str::<TaskInput>(text)
            .unwrap()
            .read()
            .unwrap();
        assert_eq!(spec.priority, Priority::P1);
        assert_eq!(spec.success.len(), 5);
        assert_eq!(TaskInput::of(&spec).read().unwrap(), spec);
    }

    #[test]
    fn a_bad_value_is_named_with_its_key() {
        let read = |text: &str| {
            serde_json::from_str::<TaskInput>(text)
                .unwrap()
                .read()
                .unwrap_err()
        };
        for (text, key) in [
            (r#"{"id": "../x"}"#, "id:"),
            (r#"{"id": "a", "depends_on": ["-rf"]}"#, "depends_on:"),
            (r#"{"id": "a", "timebox": "soon"}"#, "timebox:"),
            (r#"{"id": "a", "role": "red\u001b[31m"}"#, "role:"),
            (r#"{"id": "a", "budget": -1}"#, "budget:"),
            (r#"{"id": "a", "files": ["/etc"]}"#, "files:"),
            (r#"{"id": "a", "priority": "P9"}"#, "priority:"),
        ] {
            assert!(read(text).starts_with(key), "{text}: {}", read(text));
        }
        assert!(serde_json::from_str::<TaskInput>(r#"{"id": "a", "misison": "x"}"#).is_err());
    }
}
