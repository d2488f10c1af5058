//! Providers that refuse everybody for ever: what is said, and that nothing of it passes for work.

use crate::{
    plan::Plan,
    world::{World, script, until},
};
use skep_models::{Call, Fault};

/// A plan with one task for each agent, whose model fails like this.
fn failing(world: &World, agents: &[&'static str], fault: Fault, policy: &str) {
    let mut plan = Plan::new(world, agents.len(), policy);
    for agent in agents {
        let script = script(agent, [Call::write("a.txt", "a\n")]).then(fault.clone());
        plan = plan.task(agent, agent, script, "");
    }
    plan.save();
}

// proves: X-1a, S-5, U-9
pub(crate) fn logins(agents: &[&'static str]) {
    let world = World::new();
    failing(&world, agents, Fault::Auth, "");
    let run = world.begin();
    for agent in agents {
        let mut why = String::new();
        until(&world, &format!("{agent} waits for a login"), || {
            why = world.skep(&["why", agent]).out;
            why.contains("refused the login")
        });
        let advice = "log in again or mend the key, then `skep resume`";
        assert!(why.contains(advice), "{agent}: {why}");
        let task = world.task(agent);
        assert_eq!(task["crashes"], 0, "{task}");
        assert_eq!(task["failures"], 0, "{task}");
    }
    // The key is mended: nothing but a word is needed.
    for agent in agents {
        world.server.script(
            agent,
            script(agent, [Call::write(&format!("{agent}.txt"), "made\n")]),
        );
    }
    world.expect(0, &["resume"]);
    run.ends(0);
    for agent in agents {
        assert_eq!(world.merged(&format!("{agent}.txt")), "made\n");
    }
    world.keeps_the_key();
}

/// opencode tells it in its log only.
// proves: X-1a, S-5a
pub(crate) fn servers(agents: &[&'static str]) {
    let world = World::new();
    let policy = "crash_retries = 0\nproviders = { failures = 1, park = \"10m\" }\n\
                  agents = { reply = \"20s\", first_reply = \"20s\" }";
    failing(&world, agents, Fault::Server, policy);
    let run = world.begin();
    for agent in agents {
        until(&world, &format!("{agent}'s provider is left alone"), || {
            let why = world.skep(&["why", agent]).out;
            why.contains("it is down, left alone until")
        });
        let task = world.task(agent);
        assert_eq!(task["history"][0]["outcome"], "crashed", "{task}");
        assert_eq!(task["crashes"], 0, "{task}");
        let made = format!("{agent}.txt");
        let works = script(agent, [Call::write(&made, "made\n")]);
        world.server.script(agent, works);
    }
    assert!(world.events("wave_landed").is_empty(), "{}", world.told());
    world.expect(0, &["resume"]);
    run.ends(0);
    for agent in agents {
        assert_eq!(world.merged(&format!("{agent}.txt")), "made\n");
    }
}
