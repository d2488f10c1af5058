//! What is known of a model, by any of the names that people and programs give it.
//!
//! A name is looked for as it is; then without what stands before its last slash (`anthropic/claude-…`,
//! `openrouter/openai/gpt-…`); then without what follows it and names no other model: a variant in brackets or
//! after a colon or an at sign (`[1m]`, `:batch`, `@20250929`), a date (`-20250929`, `-2025-09-29`), the word
//! `-latest`. The first that the catalog has is the model. Capitals do not matter. Nothing is guessed beyond that:
//! a model that is not found is unknown.

use super::ModelSpec;
use alloc::{collections::BTreeMap, string::String};

/// The model of a name, if the catalog knows it.
#[must_use]
pub fn find<'c>(
    catalog: &'c BTreeMap<String, ModelSpec>,
    name: &str,
) -> Option<(&'c str, &'c ModelSpec)> {
    let exact = |name: &str| catalog.get_key_value(name);
    let found = exact(name).or_else(|| {
        let name = name.trim().to_ascii_lowercase();
        let short = name.rsplit('/').next().unwrap_or(&name);
        let bare = short
            .split(['[', ':', '@'])
            .next()
            .unwrap_or(short)
            .trim_end_matches("-latest");
        [name.as_str(), short, bare, without_date(bare)]
            .into_iter()
            .find_map(exact)
    });
    found.map(|(name, spec)| (name.as_str(), spec))
}

/// Without a date at its end.
fn without_date(name: &str) -> &str {
    let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
    let cut = |name: &'_ str, n: usize| -> Option<usize> {
        let (rest, last) = name.rsplit_once('-')?;
        digits(last, n).then_some(rest.len())
    };
    if let Some(end) = cut(name, 8) {
        return &name[..end];
    }
    let parts = cut(name, 2)
        .and_then(|end| cut(&name[..end], 2))
        .and_then(|end| cut(&name[..end], 4));
    parts.map_or(name, |end| &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Tier;

    // proves: S-7
    #[test]
    fn a_model_is_found_by_the_names_that_it_goes_by_and_by_no_other() {
        let spec = ModelSpec {
            provider: "p".into(),
            tier: Tier::Default,
            price: None,
        };
        let names = [
            "claude-sonnet-4-5",
            "sonnet",
            "gpt-5",
            "gpt-5-mini",
            "o/own",
        ];
        let catalog = names.map(|name| (name.into(), spec.clone())).into();
        let found = |name: &str| find(&catalog, name).map(|(name, _)| name);
        for (name, wanted) in [
            ("sonnet", "sonnet"),
            ("Sonnet", "sonnet"),
            ("sonnet[1m]", "sonnet"),
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
            ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
            ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5"),
            (
                "openrouter/anthropic/claude-sonnet-4-5:beta",
                "claude-sonnet-4-5",
            ),
            ("gpt-5-2025-08-07", "gpt-5"),
            ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
            ("gpt-5-latest", "gpt-5"),
            ("o/own", "o/own"),
        ] {
            assert_eq!(found(name), Some(wanted), "{name}");
        }
        for name in [
            "",
            "gpt-5-nano",
            "gpt",
            "own",
            "sonnet-5",
            "gpt-50",
            "/",
            "-",
            "gpt-5-99",
        ] {
            assert_eq!(found(name), None, "{name}");
        }
    }
}
