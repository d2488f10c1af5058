//! Moments as RFC 3339 texts.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use skep_core::time::Time;
use std::{borrow::Cow, fmt};

/// A moment, written as RFC 3339 in UTC with as many digits as it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub Time);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(time) => write!(f, "{time}"),
            // Beyond the year 9999: a clock that wrong is shown as what it is.
            Err(_) => f.write_str("9999-12-30T22:00:00Z"),
        }
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
        let ms = u64::try_from(time.as_millisecond()).map_err(D::Error::custom)?;
        Ok(Stamp(Time(ms)))
    }
}

impl JsonSchema for Stamp {
    fn schema_name() -> Cow<'static, str> {
        "Stamp".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rfc_3339_and_come_back_the_same() {
        for (ms, text) in [
            (1_769_422_500_000, "\"2026-01-26T10:15:00Z\""),
            (1_769_422_500_042, "\"2026-01-26T10:15:00.042Z\""),
        ] {
            assert_eq!(serde_json::to_string(&Stamp(Time(ms))).unwrap(), text);
            assert_eq!(serde_json::from_str::<Stamp>(text).unwrap(), Stamp(Time(ms)));
        }
        assert!(serde_json::from_str::<Stamp>("\"yesterday\"").is_err());
        assert!(Stamp(Time(u64::MAX)).to_string().starts_with("9999"));
    }
}
