//! A model's part of the schema.

use super::Dollars;
use schemars::JsonSchema;

/// What is known of a model. What is not said of one that Skep knows stays as it is; prices are in US dollars for a
/// million tokens.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "ModelSpec")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct ModelSpecDoc {
    /// Who serves it; needed for a model that Skep does not know.
    provider: Option<String>,
    /// How strong it is among its provider's.
    tier: Option<TierDoc>,
    /// Tokens read anew.
    input: Option<Dollars>,
    /// Tokens read from a cache. Default: as `input`.
    cache_read: Option<Dollars>,
    /// Tokens read, and written to a cache. Default: as `input`.
    cache_write: Option<Dollars>,
    /// Tokens written.
    output: Option<Dollars>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Tier")]
#[expect(dead_code, reason = "only its schema is used")]
enum TierDoc {
    Cheap,
    Default,
    Smart,
}
