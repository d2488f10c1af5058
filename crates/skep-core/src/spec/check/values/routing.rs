//! What the numbers of routing, providers and service levels must be.

use super::{Values, above, at, below};
use crate::{
    spec::{FieldPath, Policy, Step},
    time::Millis,
};

pub(super) fn check(values: &mut Values<'_>, policy: &Policy) {
    let path = |table, key| {
        at(
            &[],
            &[Step::Key("policy"), Step::Key(table), Step::Key(key)],
        )
    };
    models(values, policy, |key| path("routing", key));
    let (routing, providers, slo) = (&policy.routing, &policy.providers, &policy.slo);
    let shares = [
        routing.cheap_percent,
        routing.default_percent,
        routing.smart_percent,
    ];
    if shares.iter().all(|share| *share == 0) {
        values.push(path("routing", "default_percent"), below(0, 1, None));
    }
    for (table, key, given) in [
        ("routing", "cheap_percent", routing.cheap_percent),
        ("routing", "default_percent", routing.default_percent),
        ("routing", "smart_percent", routing.smart_percent),
        ("routing", "floor_percent", routing.floor_percent),
        ("routing", "explore_percent", routing.explore_percent),
        ("slo", "success_percent", slo.success_percent),
    ] {
        if given > 100 {
            values.push(path(table, key), above(given, 100));
        }
    }
    for (table, key, given) in [
        ("providers", "attempts", providers.attempts),
        ("providers", "failures", providers.failures),
        ("slo", "attempts", slo.attempts),
    ] {
        if given < 1 {
            values.push(path(table, key), below(given, 1, None));
        }
    }
    // More are not remembered.
    for (table, key, given, most) in [
        (
            "providers",
            "failures",
            providers.failures,
            crate::limits::PROVIDER_FAILURES,
        ),
        ("slo", "attempts", slo.attempts, crate::limits::RECENT),
    ] {
        if given > most as u32 {
            values.push(path(table, key), above(given, most));
        }
    }
    let park = Some("providers.park");
    for (key, given, least, of) in [
        // No wait at all would try a provider that refuses over and over.
        ("park", providers.park, Millis(1), None),
        ("park_cap", providers.park_cap, providers.park, park),
        ("quota_park", providers.quota_park, providers.park, park),
        (
            "longest_park",
            providers.longest_park,
            providers.park_cap,
            Some("providers.park_cap"),
        ),
        ("window", providers.window, Millis(1), None),
    ] {
        if given < least {
            values.push(path("providers", key), below(given, least, of));
        }
    }
}

fn models(values: &mut Values<'_>, policy: &Policy, path: impl Fn(&'static str) -> FieldPath) {
    let routing = &policy.routing;
    for (key, model) in [
        ("simple", &routing.simple),
        ("moderate", &routing.moderate),
        ("complex", &routing.complex),
    ] {
        if let Some(model) = model {
            values.label(path(key), model);
        }
    }
    values.labels(path("fallback"), &routing.fallback);
}
