//! The OpenAPI document as it is served: it is the one that is checked in, and is sound in itself.

use crate::api::{get, raw, serve};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

async fn served() -> Value {
    let served = serve();
    let answer = raw(&served.socket, &get("/api/v1/openapi.json", ""), "").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{head}");
    serde_json::from_str(body).unwrap()
}

fn operations(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, about)| (path, method, about))
    })
}

/// Every `$ref` below a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(to)) = map.get("$ref") {
                found.insert(to.clone());
            }
            map.values().for_each(|v| references(v, found));
        }
        Value::Array(list) => list.iter().for_each(|v| references(v, found)),
        _ => {}
    }
}

// proves: U-2
#[tokio::test]
async fn the_checked_in_document_is_the_one_that_is_served() {
    let document = served().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    if std::env::var_os("SKEP_BLESS").is_some() {
        fs::write(&path, format!("{document:#}\n")).unwrap();
    }
    let saved = fs::read_to_string(&path).unwrap_or_default();
    let saved: Value = serde_json::from_str(&saved).unwrap_or_default();
    assert_eq!(
        saved, document,
        "the API has changed: SKEP_BLESS=1 cargo test -p skep-server --test it openapi, and commit it"
    );
}

// proves: U-2
#[tokio::test]
async fn the_document_is_sound() {
    let document = served().await;
    let mut ids = BTreeSet::new();
    for (path, method, about) in operations(&document) {
        let id = about["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} stands twice");
        let parameters = about["parameters"].as_array();
        let parts = parameters.into_iter().flatten();
        let parts = parts.filter(|p| p["in"] == "path");
        let parts: BTreeSet<_> = parts
            .map(|p| format!("{{{}}}", p["name"].as_str().unwrap()))
            .collect();
        let braced = path.split('/').filter(|piece| piece.starts_with('{'));
        assert_eq!(parts, braced.map(String::from).collect(), "{method} {path}");
        // An answer, and every no as a problem.
        for (status, answer) in about["responses"].as_object().unwrap() {
            let content = answer["content"].as_object().unwrap();
            let problem = content.contains_key("application/problem+json");
            assert_eq!(
                problem,
                !status.starts_with('2'),
                "{method} {path} {status}"
            );
        }
    }
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for to in found {
        let pointer = to.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{to} is nowhere");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let twice = schemas.keys().filter(|name| name.ends_with("Taken"));
    assert_eq!(twice.count(), 0, "{:?}", schemas.keys());
}
