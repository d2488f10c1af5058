//! One `[[task]]`: the keys of Q-1.

use super::{Decoder, Field, nowhere};
use crate::plan::tree::{Node, Value};
use skep_core::{
    id::TaskId,
    spec::{
        Complexity, Criterion, FieldPath, ModelWish, Priority, Relation, RelationKind, TaskSpec,
    },
};

const PRIORITIES: [(&str, Priority); 8] = [
    ("P0", Priority::P0),
    ("P1", Priority::P1),
    ("P2", Priority::P2),
    ("P3", Priority::P3),
    ("critical", Priority::P0),
    ("high", Priority::P1),
    ("medium", Priority::P2),
    ("low", Priority::P3),
];

const COMPLEXITIES: [(&str, Complexity); 3] = [
    ("simple", Complexity::Simple),
    ("moderate", Complexity::Moderate),
    ("complex", Complexity::Complex),
];

/// The keys of `relations`, in the order in which a task's relations are kept.
pub(crate) const RELATIONS: [(&str, RelationKind); 4] = [
    ("parent", RelationKind::Parent),
    ("supports", RelationKind::Supports),
    ("complements", RelationKind::Complements),
    ("peer", RelationKind::Peer),
];

impl Decoder {
    /// Reads a task. One that cannot be read at all still takes its place in the list, as a doubtful
    /// stand-in, so that the indices of the others agree with the document.
    pub(super) fn task(&mut self, index: usize, node: &Node, path: FieldPath) -> TaskSpec {
        let field = Field {
            name: format!("task {}", index + 1),
            node,
            path,
        };
        let Some(mut t) = self.table(&field, "a task", "a table with `id` and `mission`") else {
            self.doubts.paths.insert(field.path);
            return stand_in(index);
        };
        let id = t.need(self, "id", "id = \"fix-login\"", Self::name);
        let mission = t.need(
            self,
            "mission",
            "mission = \"One sentence that says what is to be reached.\"",
            Self::text,
        );
        let base = stand_in(index);
        let task = TaskSpec {
            id: id.unwrap_or(base.id),
            mission: mission.unwrap_or_default(),
            brief: t.take(self, "brief", Self::text).unwrap_or_default(),
            success: t
                .take(self, "success", |d, f| d.criteria(f))
                .unwrap_or_default(),
            depends_on: t
                .take(self, "depends_on", |d, f| d.list(f, "task ids", Self::name))
                .unwrap_or_default(),
            role: t.take(self, "role", Self::role_name),
            category: t.take(self, "category", Self::text),
            priority: t
                .take(self, "priority", |d, f| d.choice(f, &PRIORITIES))
                .unwrap_or_default(),
            capabilities: t
                .take(self, "capabilities", Self::texts)
                .unwrap_or_default(),
            model: t.take(self, "model", Self::model),
            agent: t.take(self, "agent", Self::text),
            command: t.take(self, "command", Self::command),
            timebox: t.take(self, "timebox", Self::duration),
            budget: t.take(self, "budget", Self::money),
            files: t
                .take(self, "files", |d, f| d.list(f, "patterns", Self::glob))
                .unwrap_or_default(),
            owner_key: t.take(self, "owner_key", Self::text),
            hazards: t.take(self, "hazards", Self::texts).unwrap_or_default(),
            complexity: t.take(self, "complexity", |d, f| d.choice(f, &COMPLEXITIES)),
            relations: t
                .take(self, "relations", Self::relations)
                .unwrap_or_default(),
            max_retries: t.take(self, "max_retries", Self::count),
            allow_no_op: t.take(self, "allow_no_op", Self::truth).unwrap_or_default(),
        };
        t.finish(self, nowhere);
        task
    }

    fn criteria(&mut self, field: &Field<'_>) -> Option<Vec<Criterion>> {
        // A lone table is as clear as a lone text.
        if matches!(field.node.value, Value::Table(_)) {
            return self.criterion(field).map(|c| vec![c]);
        }
        self.list(field, "criteria", Self::criterion)
    }

    fn criterion(&mut self, field: &Field<'_>) -> Option<Criterion> {
        const HELP: &str = "write \"cargo test\" for a command that must exit 0, or one of { run = … }, \
            { changed = \"src/**\" }, { exists = \"docs/api.md\" }, { says = \"…\" }";
        match &field.node.value {
            Value::Text(_) => return self.command(field).map(Criterion::Run),
            Value::Table(_) => {}
            _ => return self.wrong(field, "a command or a table", HELP),
        }
        let mut t = self.table(field, "a criterion", "{ run = \"cargo test\" }")?;
        let (given, span) = (t.entries.len(), t.span.clone());
        let found = [
            t.take(self, "run", Self::command).map(Criterion::Run),
            t.take(self, "changed", Self::glob).map(Criterion::Changed),
            t.take(self, "exists", Self::text).map(Criterion::Exists),
            t.take(self, "says", Self::text).map(Criterion::Says),
        ];
        t.finish(self, nowhere);
        if given != 1 {
            let message = format!("{} must have exactly one key, not {given}", field.name);
            let fault = crate::plan::fault::Fault::new("plan::bad_value", span, message);
            self.note(fault.help(HELP));
            return None;
        }
        found.into_iter().flatten().next()
    }

    fn model(&mut self, field: &Field<'_>) -> Option<ModelWish> {
        const HELP: &str =
            "write \"sonnet\", { required = \"sonnet\" } or { preferred = \"sonnet\" }";
        if matches!(field.node.value, Value::Text(_)) {
            return self.text(field).map(ModelWish::Preferred);
        }
        if !matches!(field.node.value, Value::Table(_)) {
            return self.wrong(field, "a model's name or a table", HELP);
        }
        let mut t = self.table(field, "`model`", "{ required = \"sonnet\" }")?;
        let (given, span) = (t.entries.len(), t.span.clone());
        let found = [
            t.take(self, "required", Self::text)
                .map(ModelWish::Required),
            t.take(self, "preferred", Self::text)
                .map(ModelWish::Preferred),
        ];
        t.finish(self, nowhere);
        if given != 1 {
            let message = format!("`model` must have exactly one key, not {given}");
            let fault = crate::plan::fault::Fault::new("plan::bad_value", span, message);
            self.note(fault.help(HELP));
            return None;
        }
        found.into_iter().flatten().next()
    }

    fn relations(&mut self, field: &Field<'_>) -> Option<Vec<Relation>> {
        let mut t = self.table(
            field,
            "`relations`",
            "{ parent = \"epic\", supports = [\"login\"] }",
        )?;
        let mut relations = Vec::new();
        for (key, kind) in RELATIONS {
            let to: Option<Vec<TaskId>> =
                t.take(self, key, |d, f| d.list(f, "task ids", Self::name));
            relations.extend(to.into_iter().flatten().map(|to| Relation { kind, to }));
        }
        t.finish(self, nowhere);
        Some(relations)
    }
}

fn stand_in(index: usize) -> TaskSpec {
    TaskSpec {
        // A number is always a name, and '_' keeps it apart from anything a person would write.
        id: format!("0_{index}_stand-in")
            .parse()
            .unwrap_or_else(|_| unreachable!("a number is a name")),
        mission: String::new(),
        brief: String::new(),
        success: Vec::new(),
        depends_on: Vec::new(),
        role: None,
        category: None,
        priority: Priority::default(),
        capabilities: Vec::new(),
        model: None,
        agent: None,
        command: None,
        timebox: None,
        budget: None,
        files: Vec::new(),
        owner_key: None,
        hazards: Vec::new(),
        complexity: None,
        relations: Vec::new(),
        max_retries: None,
        allow_no_op: false,
    }
}
