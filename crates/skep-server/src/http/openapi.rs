//! The OpenAPI document, made from the operations that stand beside their routes and from the types that are sent.

use crate::api::{PROBLEM_JSON, Problem};
use axum::http::{Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const JSON: &str = "application/json";

/// What any request can be answered, whatever its address.
const ALWAYS: [StatusCode; 8] = [
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::MISDIRECTED_REQUEST,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::INSUFFICIENT_STORAGE,
];

type MakeSchema = fn(&mut SchemaGenerator) -> Schema;

/// What one method of one address does.
pub(super) struct Operation {
    method: Method,
    path: String,
    id: &'static str,
    summary: &'static str,
    parameters: Vec<Parameter>,
    request: Vec<(&'static str, MakeSchema)>,
    answer: (&'static str, MakeSchema),
    refusals: BTreeSet<u16>,
    for_agents: bool,
}

struct Parameter {
    name: &'static str,
    place: &'static str,
    about: &'static str,
    schema: MakeSchema,
}

/// An operation called `id`, which does what `summary` says and answers with a `T`.
pub(super) fn op<T: JsonSchema>(id: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: Method::GET,
        path: String::new(),
        id,
        summary,
        parameters: Vec::new(),
        request: Vec::new(),
        answer: (JSON, SchemaGenerator::subschema_for::<T>),
        refusals: BTreeSet::new(),
        for_agents: false,
    }
}

impl Operation {
    /// Its answer is of another media type.
    pub(super) fn gives(mut self, media_type: &'static str) -> Operation {
        self.answer.0 = media_type;
        self
    }

    /// It takes a `T`.
    pub(super) fn takes<T: JsonSchema>(self) -> Operation {
        self.takes_as::<T>(JSON)
    }

    /// It takes a `T` written as `media_type`; one of several if called more than once.
    pub(super) fn takes_as<T: JsonSchema>(mut self, media_type: &'static str) -> Operation {
        self.request
            .push((media_type, SchemaGenerator::subschema_for::<T>));
        self.refuses(&[StatusCode::UNPROCESSABLE_ENTITY])
    }

    /// A part of its address: the `{name}` in it.
    pub(super) fn part<T: JsonSchema>(
        mut self,
        name: &'static str,
        about: &'static str,
    ) -> Operation {
        self.add("path", name, about, SchemaGenerator::subschema_for::<T>);
        self.refuses(&[StatusCode::NOT_FOUND])
    }

    /// What may be asked behind `?`.
    pub(super) fn asks<T: JsonSchema>(
        mut self,
        name: &'static str,
        about: &'static str,
    ) -> Operation {
        self.add("query", name, about, SchemaGenerator::subschema_for::<T>);
        self
    }

    /// A header that it knows.
    pub(super) fn hears<T: JsonSchema>(
        mut self,
        name: &'static str,
        about: &'static str,
    ) -> Operation {
        self.add("header", name, about, SchemaGenerator::subschema_for::<T>);
        self
    }

    /// It does what it does once for each `Idempotency-Key`, and can be refused by the state that the swarm is in.
    pub(super) fn once_a_key(self) -> Operation {
        self.hears::<Key>(
            "Idempotency-Key",
            "The same key again does nothing new and is answered alike.",
        )
        .refuses(&[
            StatusCode::NOT_FOUND,
            StatusCode::CONFLICT,
            StatusCode::UNPROCESSABLE_ENTITY,
        ])
    }

    /// It may say no in these ways, beside those that hold everywhere.
    pub(super) fn refuses(mut self, statuses: &[StatusCode]) -> Operation {
        self.refusals
            .extend(statuses.iter().map(StatusCode::as_u16));
        self
    }

    /// An attempt's own: it goes by the attempt's token.
    pub(super) fn for_agents(mut self) -> Operation {
        self.for_agents = true;
        self
    }

    pub(super) fn at(mut self, method: Method, path: &str) -> Operation {
        (self.method, self.path) = (method, path.into());
        self
    }

    pub(super) fn move_below(&mut self, prefix: &str) {
        self.path.insert_str(0, prefix);
    }

    pub(super) fn has_body(&self) -> bool {
        !self.request.is_empty()
    }

    pub(super) fn add_refusal(&mut self, status: StatusCode) {
        self.refusals.insert(status.as_u16());
    }

    fn add(
        &mut self,
        place: &'static str,
        name: &'static str,
        about: &'static str,
        schema: MakeSchema,
    ) {
        self.parameters.push(Parameter {
            name,
            place,
            about,
            schema,
        });
    }

    fn describe(&self, taken: &mut SchemaGenerator, sent: &mut SchemaGenerator) -> Value {
        let mut about = json!({ "operationId": self.id, "summary": self.summary });
        let parameters = self.parameters.iter().map(|p| {
            json!({ "name": p.name, "in": p.place, "description": p.about, "required": p.place == "path",
                "schema": (p.schema)(taken) })
        });
        let parameters: Vec<Value> = parameters.collect();
        if !parameters.is_empty() {
            about["parameters"] = parameters.into();
        }
        if self.has_body() {
            let content = self.request.iter();
            let content = content.map(|(kind, schema)| (*kind, schema(taken)));
            about["requestBody"] = json!({ "required": true, "content": contents(content) });
        }
        let (kind, schema) = self.answer;
        let mut responses = Map::new();
        let answer = contents([(kind, schema(sent))]);
        responses.insert(
            "200".into(),
            json!({ "description": "Done.", "content": answer }),
        );
        let always = ALWAYS.iter().map(StatusCode::as_u16);
        for status in always.chain(self.refusals.iter().copied()) {
            let word = StatusCode::from_u16(status).ok();
            let word = word.and_then(|s| s.canonical_reason()).unwrap_or_default();
            let content = contents([(PROBLEM_JSON, sent.subschema_for::<Problem>())]);
            let problem = json!({ "description": word, "content": content });
            responses.insert(status.to_string(), problem);
        }
        about["responses"] = responses.into();
        if self.for_agents {
            about["security"] = json!([{ "attempt": [] }]);
        }
        about
    }
}

fn contents(of: impl IntoIterator<Item = (&'static str, Schema)>) -> Value {
    let each = of.into_iter();
    let each = each.map(|(kind, schema)| (kind.to_string(), json!({ "schema": schema })));
    Value::Object(each.collect())
}

/// The document of these operations.
pub(super) fn document(operations: &[Operation]) -> Value {
    // What is always sent need not be sent to us, so the same type can have two schemas.
    let settings = SchemaSettings::draft2020_12()
        .with(|s| s.definitions_path = "/components/schemas".into())
        .with(|s| s.meta_schema = None);
    let mut taken = settings.clone().into_generator();
    let mut sent = settings.for_serialize().into_generator();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let about = operation.describe(&mut taken, &mut sent);
        let methods = paths.entry(&operation.path).or_default();
        methods.insert(operation.method.as_str().to_ascii_lowercase(), about);
    }
    let mut schemas = sent.take_definitions(true);
    for (name, schema) in taken.take_definitions(true) {
        // One name, one meaning: a type that is taken otherwise than it is sent stands twice.
        let other = schemas.get(&name).is_some_and(|sent| *sent != schema);
        schemas.insert(if other { name + "Taken" } else { name }, schema);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Skep",
            "version": "1",
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "The keeper's token, in `.skep/token`." },
                "session": { "type": "apiKey", "in": "cookie", "name": "skep-session",
                    "description": "A signed-in browser's; `skep dash` signs in. The name ends with a mark of the swarm's own." },
                "attempt": { "type": "http", "scheme": "bearer", "description": "An attempt's token: SKEP_TOKEN of its agent." },
            },
        },
    })
}

const ABOUT: &str = "The keeper of one swarm. Its Unix socket `.skep/keeper.sock` needs no token; over TCP it is asked for one. \
Every no is a problem document (RFC 9457) whose `code` is for programs and whose `hint` says what to do.";

/// What names something: letters, digits, `.`, `_` and `-`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct Name(
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")
    )]
    String,
);

/// How many are given at one time.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct Limit(#[schemars(range(min = 1, max = 5_000))] u32);

/// An idempotency key.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Key(#[schemars(length(min = 1, max = 128), regex(pattern = "^[!-~]+$"))] String);
