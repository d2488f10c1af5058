//! The live configuration as a document.

use crate::config::Setting;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every number that steers the swarm. `GET /api/v1/config`; `PATCH` takes an object of changes by key, null for the
/// default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigDoc {
    /// The version of this document.
    pub schema: u32,
    /// In the order of their keys.
    pub settings: Vec<Setting>,
}
