//! JSON into the tree: strict, or with comments and trailing commas for `.jsonc`.

use super::{
    fault::{Fault, Faults},
    tree::{Entry, MAX_DEPTH, Node, Value, number, refuse_duplicates},
};
use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{ObjectPropName, Value as Json},
    common::Ranged,
    errors::ParseErrorKind as Kind,
    parse_to_ast,
};

/// Reads JSON. `None`: it has a fault of syntax, and what it would mean is unknown.
pub(super) fn read(text: &str, comments: bool, faults: &mut Faults) -> Option<Node> {
    let options = ParseOptions {
        allow_comments: comments,
        allow_trailing_commas: comments,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    match parse_to_ast(text, &CollectOptions::default(), &options) {
        Ok(parsed) => Some(match parsed.value {
            Some(value) => node(&value, 1, faults),
            None => Node::new(Value::Null, 0..0),
        }),
        Err(error) => {
            let range = error.range();
            let message = format!("this is not JSON: {}", error.kind()).to_lowercase();
            let message = message.replace("json", "JSON");
            let fault = Fault::new("plan::syntax", range.start..range.end, message);
            faults.push(fault.help(help(error.kind())));
            None
        }
    }
}

fn help(kind: &Kind) -> &'static str {
    match kind {
        Kind::TrailingCommasNotAllowed | Kind::UnexpectedComma => {
            "remove the comma before the closing bracket, or name the file .jsonc"
        }
        Kind::CommentsNotAllowed => "remove the comment, or name the file .jsonc",
        Kind::ExpectedComma => "put a comma between entries",
        Kind::ExpectedColonAfterObjectKey => "write \"key\": value",
        Kind::ExpectedStringObjectProperty
        | Kind::SingleQuotedStringsNotAllowed
        | Kind::UnexpectedWord => "put keys and texts in double quotes",
        Kind::UnterminatedArray => "close the list with ]",
        Kind::UnterminatedObject => "close the table with }",
        Kind::NonFiniteNumbersNotAllowed => "write a number, or remove the key",
        Kind::NestingDepthExceeded => "nest less deeply",
        Kind::String(_) => {
            "close the text with \" and escape special characters, as in \\n and \\\""
        }
        _ => "values are \"text\", numbers, true, false, [ lists ] and { \"tables\": 1 }",
    }
}

fn node(value: &Json<'_>, depth: usize, faults: &mut Faults) -> Node {
    let range = value.range();
    let span = range.start..range.end;
    if depth > MAX_DEPTH {
        let message = format!("tables and lists nest deeper than {MAX_DEPTH} levels");
        faults.push(Fault::new("plan::too_deep", span.clone(), message).help("nest less deeply"));
        return Node::new(Value::Null, span);
    }
    let value = match value {
        Json::StringLit(text) => Value::Text(text.value.clone().into_owned()),
        Json::NumberLit(n) => number(n.value).unwrap_or(Value::Float(f64::NAN)),
        Json::BooleanLit(b) => Value::Bool(b.value),
        Json::NullKeyword(_) => Value::Null,
        Json::Array(list) => {
            let items = list.elements.iter();
            Value::List(items.map(|item| node(item, depth + 1, faults)).collect())
        }
        Json::Object(object) => {
            let entries = object.properties.iter().map(|property| {
                let range = property.name.range();
                let key = match &property.name {
                    ObjectPropName::String(text) => text.value.clone().into_owned(),
                    ObjectPropName::Word(word) => word.value.into(),
                };
                Entry {
                    key,
                    key_span: range.start..range.end,
                    node: node(&property.value, depth + 1, faults),
                }
            });
            let entries = entries.collect();
            Value::Table(refuse_duplicates(entries, faults))
        }
    };
    Node::new(value, span)
}
