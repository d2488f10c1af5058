//! What the numbers of alerts must be, and the routes that they take.

use super::{Values, above, at, below};
use crate::{
    alert::route::To,
    limits,
    spec::{FaultKind, FieldPath, Plan, Step},
    time::Millis,
};

pub(super) fn check(values: &mut Values<'_>, plan: &Plan) {
    numbers(values, plan);
    routes(values, plan);
}

fn numbers(values: &mut Values<'_>, plan: &Plan) {
    let alerts = &plan.swarm.policy.alerts;
    let base = [Step::Key("policy"), Step::Key("alerts")];
    let path = |key| at(&base, &[Step::Key(key)]);
    for (key, length) in [
        ("settle", alerts.settle),
        ("remind", alerts.remind),
        ("scaled_after", alerts.scaled_after),
        ("idle_after", alerts.idle_after),
        ("provider_after", alerts.provider_after),
        ("ask_after", alerts.ask_after),
    ] {
        values.no_age(path(key), length);
    }
    // Said over and over, nothing is heard any more.
    let least = Millis::mins(1);
    if alerts.remind > Millis(0) && alerts.remind < least {
        values.push(path("remind"), below(alerts.remind, least, None));
    }
    for (key, window) in [
        ("crash_window", alerts.crash_window),
        ("keeper_window", alerts.keeper_window),
    ] {
        values.some_time(path(key), window);
    }
    let most = limits::COUNTED as u32 - 1;
    for (key, count) in [
        ("crashes", alerts.crashes),
        ("keeper_restarts", alerts.keeper_restarts),
    ] {
        if count > most {
            values.push(path(key), above(count, most));
        }
    }
}

fn routes(values: &mut Values<'_>, plan: &Plan) {
    let routes = &plan.swarm.routes;
    let base: FieldPath = [Step::Key("alerts"), Step::Key("route")].into();
    if routes.len() > limits::ROUTES {
        let kind = above(routes.len(), limits::ROUTES);
        values.push(base.clone(), kind);
    }
    for (n, route) in routes.iter().enumerate() {
        let path = |key| at(&base, &[Step::Index(n), Step::Key(key)]);
        values.label(path("name"), &route.name);
        if routes[..n].iter().any(|other| other.name == route.name) {
            values.push(path("name"), FaultKind::RouteTwice(route.name.clone()));
        }
        if route.per_hour < 1 {
            values.push(path("per_hour"), below(route.per_hour, 1, None));
        }
        values.no_age(path("dedup"), route.dedup);
        if let To::Email(email) = &route.to {
            values.label(path("from"), &email.from);
            if email.to.is_empty() {
                values.push(path("to"), FaultKind::Empty);
            }
            values.labels(path("to"), &email.to);
        }
    }
}
