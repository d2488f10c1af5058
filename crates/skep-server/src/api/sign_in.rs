//! How a browser is signed in.

use super::SCHEMA;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A link that signs one browser in, once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignInDoc {
    /// The document's version.
    pub schema: u32,
    /// Where to go.
    pub url: String,
    /// How long the link works.
    pub works_ms: u64,
}

/// That a browser is signed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignedOutDoc {
    /// The document's version.
    pub schema: u32,
}

impl SignInDoc {
    /// A link that works for so long.
    #[must_use]
    pub fn new(url: String, works_ms: u64) -> SignInDoc {
        SignInDoc {
            schema: SCHEMA,
            url,
            works_ms,
        }
    }
}
