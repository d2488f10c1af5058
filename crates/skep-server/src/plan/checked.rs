//! What the core finds wrong with a plan, said in terms of the file: each fault's field is looked up in the
//! tree, so that the message can point at the text.

use super::{
    Format,
    decode::{Doubts, Draft},
    fault::{Fault, Faults, SHOWN, nearest, shown_key},
    tree::{Node, Span, Value},
};
use skep_core::{
    id::TaskId,
    spec::{self, FaultKind, Plan, Step, check},
};

/// Runs the core's checks and notes what they find. `draft`: the plan is still to be edited by a person, so
/// that it may lack what only they know (which agent does the work).
pub(super) fn note(
    root: &Node,
    draft: &Draft,
    format: Format,
    to_be_edited: bool,
    faults: &mut Faults,
) {
    let cx = Context {
        root,
        plan: &draft.plan,
        doubts: &draft.doubts,
        format,
    };
    let found = check(&draft.plan);
    let mut real = found
        .into_iter()
        .filter(|f| !cx.is_doubtful(f))
        .filter(|f| !(to_be_edited && is_about_agents(&f.kind)));
    for fault in real.by_ref().take(SHOWN) {
        faults.push(cx.worded(&fault));
    }
    faults.count(real.count());
}

fn is_about_agents(kind: &FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::NoSuchAgent { .. }
            | FaultKind::ShellWithoutCommand
            | FaultKind::CommandWithoutShell(_)
    )
}

struct Context<'a> {
    root: &'a Node,
    plan: &'a Plan,
    doubts: &'a Doubts,
    format: Format,
}

impl Context<'_> {
    /// Whether the fault may come from a stand-in for something already reported.
    fn is_doubtful(&self, fault: &spec::Fault) -> bool {
        let any = |keys: &[&'static str]| {
            keys.iter().any(|key| {
                let task = fault.at.get(..2).map(|at| {
                    let mut at = at.to_vec();
                    at.push(Step::Key(key));
                    self.doubts.cover(&at)
                });
                task.unwrap_or(false) || self.doubts.cover(&[Step::Key("swarm"), Step::Key(key)])
            })
        };
        let roles = || self.doubts.below("roles");
        self.doubts.cover(&fault.at)
            || match &fault.kind {
                FaultKind::NoTasks => self.doubts.cover(&[Step::Key("task")]),
                FaultKind::ShellWithoutCommand | FaultKind::CommandWithoutShell(_) => {
                    any(&["agent", "command"])
                }
                FaultKind::NoSuchAgent { .. } => self.doubts.below("agents"),
                FaultKind::NoSuchRole { .. } => any(&["workers"]),
                FaultKind::ImpossibleCapability { .. } => any(&["workers", "role"]) || roles(),
                _ => false,
            }
    }

    /// The node at a path, or the nearest one above it that exists; and the key it stands under.
    fn find(&self, path: &[Step]) -> (&Node, Option<Span>) {
        let (mut node, mut key) = (self.root, None);
        for (n, step) in path.iter().enumerate() {
            let next = match step {
                Step::Key(name) => node.entry(name),
                Step::Name(name) => node.entry(name),
                Step::Index(index) => {
                    let index = self.doubts.place(&path[..n], *index);
                    // A lone value stands for a list of one.
                    if let Value::List(items) = &node.value {
                        match items.get(index) {
                            Some(item) => (node, key) = (item, None),
                            None => return (node, key),
                        }
                    }
                    continue;
                }
            };
            match next {
                Some(entry) => (node, key) = (&entry.node, Some(entry.key_span.clone())),
                None => return (node, key),
            }
        }
        (node, key)
    }

    fn span(&self, path: &[Step]) -> Span {
        self.find(path).0.span.clone()
    }

    fn task_span(&self, task: usize, key: &'static str) -> Span {
        self.span(&[Step::Key("task"), Step::Index(task), Step::Key(key)])
    }

    /// The text of `id` somewhere below `node`.
    fn mention<'n>(node: &'n Node, id: &TaskId) -> Option<&'n Node> {
        match &node.value {
            Value::Text(text) => (text == id.as_str()).then_some(node),
            Value::List(items) => items.iter().find_map(|item| Self::mention(item, id)),
            Value::Table(entries) => entries.iter().find_map(|e| Self::mention(&e.node, id)),
            _ => None,
        }
    }

    fn worded(&self, fault: &spec::Fault) -> Fault {
        let (node, key) = self.find(&fault.at);
        let span = node.span.clone();
        let text = fault.kind.to_string();
        match &fault.kind {
            FaultKind::NoTasks => {
                let help = match self.format {
                    Format::Toml => "add a task: [[task]] with id = \"first\" and mission = \"What is to be reached.\"",
                    Format::Yaml => "add a task: `task:` and below it `- id: first` with `mission: What is to be reached.`",
                    Format::Json | Format::Jsonc => "add a task: \"task\": [{ \"id\": \"first\", \"mission\": \"What is to be reached.\" }]",
                    Format::Markdown => "write each task as `- [ ] What is to be reached.`; those marked [x] are done and left out",
                };
                Fault::new("plan::no_tasks", span.start..span.start, text).help(help)
            }
            FaultKind::TooManyTasks(_) => Fault::new("plan::too_many", span.start..span.start, text)
                .help("split the plan into several swarms"),
            FaultKind::DuplicateId { first, .. } => Fault::new("plan::duplicate_id", span, text)
                .label("used again here")
                .also(self.task_span(*first, "id"), "first used here")
                .help("give one of the tasks another id, and check which one `depends_on` means"),
            FaultKind::CaseClash { first, .. } => Fault::new("plan::case_clash", span, text)
                .label("differs only in case")
                .also(self.task_span(*first, "id"), "from this one")
                .help("give one of the tasks another id: on some systems both are one folder"),
            FaultKind::MissingTask { id, of } => self.missing_task(node, id, of),
            FaultKind::RepeatedDependency(id) => {
                let text = format!("`depends_on` names {id} twice");
                Fault::new("plan::repeated_dependency", span, text).help("remove one of the two")
            }
            FaultKind::Cycle(ids) => self.cycle(ids, text),
            FaultKind::NoSuchRole { role, known } => Fault::new("plan::no_such_role", span, text)
                .help(match nearest(role, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("add {role} = 1 to `workers` under [swarm], or use workers = \"auto\""),
                }),
            FaultKind::ImpossibleCapability { capability, known } => {
                let help = match nearest(capability, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("add {capability:?} to the `capabilities` of a role under [roles], or remove it here"),
                };
                Fault::new("plan::impossible_capability", span, text).help(help)
            }
            FaultKind::ShellWithoutCommand => {
                Fault::new("plan::shell_without_command", span, text).help(match self.format {
                    Format::Markdown => "add (command: `make docs`) to the item, or (agent: …) for another agent",
                    _ => "add command = \"make docs\" (a shell line) or command = [\"make\", \"docs\"], or name another `agent`",
                })
            }
            FaultKind::CommandWithoutShell(_) => {
                Fault::new("plan::command_without_shell", key.unwrap_or(span), text).help(
                    "add agent = \"shell\" to the task, or move the command's purpose into `mission`",
                )
            }
            FaultKind::NoSuchAgent { name, .. }
                if fault.at.first() == Some(&Step::Key("swarm")) && node.as_text() != Some(name.as_str()) =>
            {
                // Nothing in the file says so: point at its beginning, not at what stands there.
                let text = format!("{text}; this is the default, as the plan names no agent");
                Fault::new("plan::no_such_agent", span.start..span.start, text)
                    .help("name one: agent = \"shell\" under [swarm]")
            }
            FaultKind::NoSuchAgent { name, known } => Fault::new("plan::no_such_agent", span, text)
                .help(match nearest(name, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("use one of those, or define it: [agents.{}] with command = [\"…\"]", shown_name(name)),
                }),
            FaultKind::BadBranch(_) => Fault::new("plan::bad_branch", span, text)
                .help("write a branch's name as `git branch` shows it, such as \"main\" or \"feature/login\""),
            FaultKind::OutsidePath(_) => Fault::new("plan::outside_path", span, text)
                .help("write a path from the repository's root, such as \"db/schema.sql\""),
            FaultKind::DottedSwarm(name) => Fault::new("plan::bad_name", span, text)
                .help(format!("use {:?}", shown_name(name.as_str()))),
            kind => self.other(kind, &fault.at, span, text),
        }
    }

    /// Faults whose sentence begins with the field's name.
    fn other(&self, kind: &FaultKind, at: &[Step], span: Span, text: String) -> Fault {
        let field = at.iter().rev().find_map(|step| match step {
            Step::Key(_) => Some(shown_key(at)),
            Step::Name(name) => Some(format!("{name:?}")),
            Step::Index(_) => None,
        });
        let (code, help) = match kind {
            FaultKind::TooLong(_) => (
                "plan::too_long",
                "shorten it: put the details into a file in the repository and name the file",
            ),
            FaultKind::Empty => ("plan::empty", "write something, or remove it"),
            FaultKind::TooManyWorkers(_) => ("plan::too_many", "use fewer workers"),
            FaultKind::LabelTooLong(_) => ("plan::too_long", "shorten it"),
            FaultKind::BadRange { .. } => {
                ("plan::bad_number", "write such as { min = 1, max = 8 }")
            }
            FaultKind::Above { .. } => {
                ("plan::bad_number", "write less, or leave it at its default")
            }
            FaultKind::Control(_) => (
                "plan::control_character",
                "remove it: control characters drive terminals and do not belong in a plan",
            ),
            FaultKind::Below { .. } => {
                ("plan::bad_number", "write more, or leave it at its default")
            }
            FaultKind::TooManyEntries(_) => (
                "plan::too_many",
                "group tasks: let one task depend on them, and depend on that",
            ),
            _ => ("plan::bad_value", "change it as the message says"),
        };
        let text = match kind {
            FaultKind::TooManyWorkers(_) | FaultKind::BadRange { .. } => {
                format!("`workers` asks for {text}")
            }
            _ => format!("{} {text}", field.as_deref().unwrap_or("the plan")),
        };
        let fault = Fault::new(code, span, text);
        match kind {
            FaultKind::Below { of: Some(of), .. } => {
                fault.help(format!("write more here, or less for `{of}`"))
            }
            _ => fault.help(help),
        }
    }

    fn missing_task(&self, node: &Node, id: &TaskId, of: &TaskId) -> Fault {
        let place = Self::mention(node, id).unwrap_or(node);
        let ids = self.plan.tasks.iter().map(|t| t.id.as_str());
        let near = nearest(id.as_str(), ids.filter(|i| *i != of.as_str()));
        let help = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!(
                "add a task with id = {:?}, or remove the name here",
                id.as_str()
            ),
        };
        Fault::new(
            "plan::missing_task",
            place.span.clone(),
            format!("there is no task {id}"),
        )
        .label("no task has this id")
        .help(help)
    }

    fn cycle(&self, ids: &[TaskId], text: String) -> Fault {
        let mut places = ids.iter().enumerate().map(|(n, id)| {
            let next = &ids[(n + 1) % ids.len()];
            let task = self.plan.tasks.iter().position(|t| t.id == *id);
            let path = [
                Step::Key("task"),
                Step::Index(task.unwrap_or_default()),
                Step::Key("depends_on"),
            ];
            let list = self.find(&path).0;
            let place = Self::mention(list, next).unwrap_or(list);
            (place.span.clone(), format!("{id} waits for {next}"))
        });
        let (span, label) = places.next().unwrap_or((0..0, String::new()));
        let mut fault = Fault::new("plan::cycle", span, text).label(label);
        for (span, label) in places {
            fault = fault.also(span, label);
        }
        fault.help(if ids.len() == 1 {
            "remove the task's own id from its `depends_on`"
        } else {
            "remove one of these dependencies: the one whose task can start without the other's result"
        })
    }
}

fn shown_name(name: &str) -> String {
    skep_core::id::nearest_name(name).unwrap_or_else(|| "name".into())
}
