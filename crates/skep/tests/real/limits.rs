//! A provider that limits until a stated moment: it is left alone until then, and nobody else is.

use crate::{
    plan::Plan,
    world::{World, script, until},
};
use skep_models::{Call, Fault};

// proves: S-5, S-5a, S-6
pub(crate) fn until_then() {
    let world = World::new();
    let limit = Fault::RateLimit { reset: Some(12) };
    // pi itself asks once more.
    let limited = script("pi", [Call::write("late.txt", "made\n")])
        .first(limit.clone())
        .first(limit);
    Plan::new(&world, 2, "max_retries = 0\ncrash_retries = 0")
        .task("pi", "late", limited, "")
        .writes("claude", "other-one", "")
        .writes("claude", "other-two", "")
        .save();
    let run = world.begin();
    let mut why = String::new();
    until(&world, "its provider is parked", || {
        why = world.skep(&["why", "late"]).out;
        why.contains("waits for provider pi")
    });
    assert!(why.contains("limited until"), "{why}");
    assert!(why.contains("UTC (in "), "{why}");
    run.ends(0);
    let parked = world.events("provider_parked");
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(parked[0]["provider"], "pi", "{parked:?}");
    assert_eq!(world.events("provider_resumed").len(), 1);
    let task = world.task("late");
    assert_eq!(task["state"], "merged", "{task}");
    let charged = (&task["failures"], &task["crashes"]);
    assert_eq!(charged, (&0.into(), &0.into()), "{task}");
    // Not before it was lifted, and soon after it.
    let asked = world.server.asked_by("late");
    let waited = asked[2].at - asked[1].at;
    assert!((11..40).contains(&waited.as_secs()), "{waited:?}");
    for id in ["other-one", "other-two"] {
        let asked = world.server.asked_by(id);
        let all = world.server.asked_by("late");
        assert!(asked[0].at < all[2].at, "{id} was held up");
        assert_eq!(world.task(id)["attempts"], 1);
    }
}
