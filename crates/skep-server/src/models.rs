//! The prices that Skep knows (`data/models.toml`), as the catalog that every plan begins with.

use serde::Deserialize;
use skep_core::{
    money::Usd,
    spec::{ModelSpec, Price, Tier},
};
use std::{collections::BTreeMap, sync::LazyLock};

const FILE: &str = include_str!("../data/models.toml");

/// One provider's models, with where their prices are from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    source: String,
    date: String,
    models: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    tier: Tier,
    input: f64,
    cache_read: f64,
    cache_write: f64,
    output: f64,
    #[serde(default)]
    aliases: Vec<String>,
}

/// Where a model's price is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The provider's page.
    pub url: String,
    /// When it said so.
    pub date: String,
    /// The model's own name, of which this one is an alias.
    pub of: Option<String>,
}

struct Known {
    catalog: BTreeMap<String, ModelSpec>,
    sources: BTreeMap<String, Source>,
}

// The file is our own, and a test reads it: what is wrong with it is wrong for everybody, at once.
static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut known = Known {
        catalog: BTreeMap::new(),
        sources: BTreeMap::new(),
    };
    let providers: BTreeMap<String, Provider> = toml::from_str(FILE).unwrap_or_default();
    for (
        provider,
        Provider {
            source,
            date,
            models,
        },
    ) in providers
    {
        for model in models {
            let usd = |dollars| Usd::from_dollars(dollars).ok();
            let price = || {
                Some(Price {
                    input: usd(model.input)?,
                    cache_read: usd(model.cache_read)?,
                    cache_write: usd(model.cache_write)?,
                    output: usd(model.output)?,
                })
            };
            let spec = ModelSpec {
                provider: provider.clone(),
                tier: model.tier,
                price: price(),
            };
            let names = model
                .aliases
                .iter()
                .map(|alias| (alias, Some(model.name.clone())));
            for (name, of) in [(&model.name, None)].into_iter().chain(names) {
                known.catalog.insert(name.clone(), spec.clone());
                let source = Source {
                    url: source.clone(),
                    date: date.clone(),
                    of,
                };
                known.sources.insert(name.clone(), source);
            }
        }
    }
    known
});

/// The models that Skep knows, by every name that has an entry of its own.
#[must_use]
pub fn catalog() -> &'static BTreeMap<String, ModelSpec> {
    &KNOWN.catalog
}

/// Where Skep knows a model's price from.
#[must_use]
pub fn source(name: &str) -> Option<&'static Source> {
    KNOWN.sources.get(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_core::spec::catalog::find;

    // proves: S-7
    #[test]
    fn the_file_is_whole_and_every_price_has_a_date_and_a_source() {
        let providers: BTreeMap<String, Provider> = toml::from_str(FILE).unwrap();
        let listed: usize = providers
            .values()
            .flat_map(|p| &p.models)
            .map(|m| 1 + m.aliases.len())
            .sum();
        assert_eq!(listed, catalog().len(), "no name is used twice");
        for (name, provider) in &providers {
            let date: jiff::civil::Date = provider.date.parse().unwrap();
            assert!(date.year() >= 2026, "{name}");
            assert!(provider.source.starts_with("https://"), "{name}");
            for tier in [Tier::Cheap, Tier::Default, Tier::Smart] {
                let some = provider.models.iter().any(|m| m.tier == tier);
                assert!(some || name == "xai", "{name} has no {tier:?} model");
            }
        }
        for (name, spec) in catalog() {
            let price = spec.price.as_ref().unwrap();
            assert!(price.cache_read <= price.input, "{name}");
            assert!(price.input <= price.cache_write, "{name}");
            assert!(price.input < price.output, "{name}");
        }
    }

    // proves: S-7
    #[test]
    fn people_and_programs_find_a_model_by_the_name_they_use() {
        for (name, provider) in [
            ("sonnet", "anthropic"),
            ("opus[1m]", "anthropic"),
            ("haiku", "anthropic"),
            ("anthropic/claude-sonnet-4-5-20250929", "anthropic"),
            ("claude-opus-4-0", "anthropic"),
            ("gpt-5-codex", "openai"),
            ("openrouter/openai/gpt-5.6-luna", "openai"),
            ("gemini-2.5-pro", "google"),
        ] {
            let found = find(catalog(), name).map(|(_, spec)| spec.provider.as_str());
            assert_eq!(found, Some(provider), "{name}");
        }
        assert_eq!(find(catalog(), "llama-at-home"), None);
    }
}
