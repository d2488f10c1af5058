//! What each agent goes through, and what must come of it.

use crate::{
    driver::{Plan, Run, command, run},
    expect::{Expect, claims, ends, fails, stale},
    world::World,
};
use skep_agents::{Answer, Before, Cancel, ErrorKind, Permission, Seen, Tokens, version_in};
use skep_core::{
    attempt::{End, Outcome},
    money::Usd,
    time::Millis,
};
use skep_models::{Call, Fault, Script, Server, Stop, Turn, Usage};
use std::{sync::Arc, time::Duration};

/// One scenario.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Whether an agent has what it is about.
    pub(crate) fits: fn(&str) -> bool,
    pub(crate) test: fn(&Arc<Server>, &'static str),
}

const fn scenario(
    name: &'static str,
    fits: fn(&str) -> bool,
    test: fn(&Arc<Server>, &'static str),
) -> Scenario {
    Scenario { name, fits, test }
}

pub(crate) const ALL: &[Scenario] = &[
    scenario("version", uses_tools, version),
    scenario("works", all, works),
    scenario("auth", all, auth),
    scenario("limited_once", all, limited_once),
    scenario("limited_long", all, limited_long),
    scenario("limited", all, limited),
    scenario("quota", all, quota),
    scenario("server", all, server),
    scenario("overloaded", all, overloaded),
    scenario("context", all, context),
    scenario("hang", all, hang),
    scenario("hang_within", all, hang_within),
    scenario("cut_within", all, cut_within),
    scenario("drop", all, dropped),
    scenario("malformed", uses_tools, malformed),
    scenario("refusal", all, refusal),
    scenario("interrupt", uses_tools, interrupt),
    scenario("allowed", asks, allowed),
    scenario("denied", asks, denied),
    scenario("held", |agent| agent == "codex", held),
    scenario("resume", uses_tools, resume),
];

fn all(_: &str) -> bool {
    true
}

/// aider has none: it reads edits from what the model says.
fn uses_tools(agent: &str) -> bool {
    agent != "aider"
}

fn asks(agent: &str) -> bool {
    let about = crate::driver::adapter(agent).about();
    about.is_some_and(|about| about.can.asks)
}

/// The prices of the models that the wiring of opencode and pi makes up, for one turn of the usual usage: what was
/// written to a cache is not told by OpenAI's protocol, and costs as much as what was read.
const TURN_USD: Usd = Usd(4740);

fn turn_of(usage: Usage) -> Tokens {
    Tokens {
        input: Some(usage.input),
        cache_read: Some(usage.cache_read),
        cache_write: Some(usage.cache_write),
        output: Some(usage.output),
        reasoning: Some(usage.reasoning),
    }
}

/// Exactly the tokens of so many turns, as far as the agent's protocol carries them.
fn check_usage(world: &World, run: &Run, before: Before, turns: u64) {
    let one = turn_of(Usage::default());
    let all = (0..turns).fold(Tokens::default(), |all, _| all.plus(one));
    let tokens = run.summary.tokens(before).unwrap_or_default();
    let usd = run.summary.usd(before);
    let times = |one: Usd| Some(Usd(one.0 * turns));
    match world.agent {
        // aider rounds, and estimates what it was not told.
        "aider" => {
            run.check(tokens.read() > Some(0), "aider tells tokens");
            return run.check(usd > Some(Usd(0)), "aider tells its cost");
        }
        "opencode" => {
            run.check(tokens == Tokens::default(), "opencode tells none: unknown");
            return run.check(usd == times(TURN_USD), "opencode tells its cost");
        }
        "gemini" => {
            // It leaves out what was thought.
            let told = all.output.zip(all.reasoning).map(|(all, some)| all - some);
            run.check(tokens.output == told, "output but thoughts");
        }
        _ => run.check(tokens.output == all.output, "all output"),
    }
    run.check(tokens.read() == all.read(), "all that was read");
    match world.agent {
        "claude" => {
            run.check(tokens.cache_write == all.cache_write, "cache writes");
            run.check(tokens.cache_read == all.cache_read, "cache reads");
            run.check(usd.is_some_and(|usd| usd.0 > 0), "claude knows its prices");
        }
        "pi" => run.check(usd == times(TURN_USD), "pi tells its cost"),
        _ => run.check(usd.is_none(), "its cost is unknown, not zero"),
    }
}

/// What is driven here is what the adapter was recorded with, and `skep doctor` can find that out.
// proves: X-1
fn version(server: &Arc<Server>, agent: &'static str) {
    let world = World::new(server, agent, "version", Script::default());
    let about = world.adapter().about().unwrap();
    let mut command = command(about.program, &world.repo());
    command.env("HOME", world.home()).envs(world.around());
    let told = command.args(about.version).output().unwrap();
    let told = [told.stdout, told.stderr].concat();
    let told = String::from_utf8(told).unwrap();
    assert_eq!(version_in(&told), Some(about.recorded), "{told}");
}

// proves, W-14
fn works(server: &Arc<Server>, agent: &'static str) {
    let calls = [
        Call::write("hello.txt", "hello\n"),
        Call::edit("hello.txt", "hello", "bye"),
    ];
    let shell = Call::Shell("cat hello.txt > copy.txt".into());
    let script = if uses_tools(agent) {
        Script::calls(calls.into_iter().chain([shell]))
    } else {
        let turn = Turn::say("Here it is.");
        Script::default().turn(calls.into_iter().fold(turn, Turn::call))
    };
    let world = World::new(server, agent, "works", script);
    let run = run(&world, &Plan::default());
    run.expect(claims());
    let bye = Some("bye\n".to_string());
    run.check(world.file("hello.txt") == bye, "it wrote and edited");
    let asked = world.asked();
    if uses_tools(agent) {
        run.check(world.file("copy.txt") == bye, "it ran a command");
        run.check(asked.len() == 4, "one request for each turn");
        run.check(run.summary.tool_calls == 3, "three tools");
        run.check(run.summary.tool_failures == 0, "none failed");
    }
    let model = world.order.model.clone().unwrap();
    let model = model.rsplit('/').next();
    run.check(
        asked.iter().all(|a| Some(a.model.as_str()) == model),
        "the ordered model",
    );
    check_usage(
        &world,
        &run,
        Before::Nothing,
        asked.len().try_into().unwrap(),
    );
}

/// Runs `agent` against a model that follows `script`, and expects its end.
fn meets(
    server: &Arc<Server>,
    agent: &'static str,
    name: &str,
    script: Script,
    expect: Expect,
) -> (World, Run) {
    let world = World::new(server, agent, name, script);
    let run = run(&world, &Plan::default());
    run.expect(match agent {
        // It tries again in secret: whether it tells of that, or gets silent for too long, is a matter of time.
        "opencode" => expect.or_stale(),
        _ => expect,
    });
    (world, run)
}

// proves: X-1a
fn auth(server: &Arc<Server>, agent: &'static str) {
    let script = Script::fails(Fault::Auth);
    let (world, run) = meets(
        server,
        agent,
        "auth",
        script,
        fails(Outcome::Crashed, ErrorKind::Auth),
    );
    run.check(
        world.asked().len() <= 3,
        "a refused key is not tried on and on",
    );
}

// proves: S-5
fn limited_once(server: &Arc<Server>, agent: &'static str) {
    let reset = Fault::RateLimit { reset: Some(2) };
    let script = Script::write("a.txt", "a\n").first(reset);
    let (world, run) = meets(server, agent, "limited_once", script, claims());
    run.check(world.file("a.txt").is_some(), "it went on");
    let asked = world.asked();
    let waited = asked[1].at - asked[0].at;
    // aider looks at no header.
    let least = Duration::from_secs(if agent == "aider" { 0 } else { 2 });
    run.check(waited >= least, "not before the limit was lifted");
}

// proves: S-5a, X-1a
fn limited_long(server: &Arc<Server>, agent: &'static str) {
    let script = Script::fails(Fault::RateLimit { reset: Some(3600) });
    let limited = fails(Outcome::RateLimited, ErrorKind::RateLimit);
    let expect = match agent {
        // These hand on what the provider said, and the others do not.
        "gemini" | "pi" => limited.until(Millis::mins(60)),
        _ => limited,
    };
    let (world, run) = meets(server, agent, "limited_long", script, expect);
    // aider looks at no header, and asks thrice each time.
    let most = if agent == "aider" { 12 } else { 4 };
    run.check(world.asked().len() <= most, "it is no use to ask again");
}

// proves: X-1a
fn limited(server: &Arc<Server>, agent: &'static str) {
    let script = Script::fails(Fault::RateLimit { reset: None });
    let expect = fails(Outcome::RateLimited, ErrorKind::RateLimit);
    meets(server, agent, "limited", script, expect);
}

// proves: X-1a, S-5
fn quota(server: &Arc<Server>, agent: &'static str) {
    let kind = match agent {
        // It does not tell the two apart.
        "aider" => ErrorKind::RateLimit,
        _ => ErrorKind::Quota,
    };
    let expect = fails(Outcome::RateLimited, kind);
    meets(server, agent, "quota", Script::fails(Fault::Quota), expect);
}

// proves: X-1a
fn server(server: &Arc<Server>, agent: &'static str) {
    let expect = fails(Outcome::Crashed, ErrorKind::Server);
    meets(
        server,
        agent,
        "server",
        Script::fails(Fault::Server),
        expect,
    );
}

// proves: X-1a
fn overloaded(server: &Arc<Server>, agent: &'static str) {
    let expect = fails(Outcome::Crashed, ErrorKind::Server);
    meets(
        server,
        agent,
        "overloaded",
        Script::fails(Fault::Overloaded),
        expect,
    );
}

// proves: X-1a
fn context(server: &Arc<Server>, agent: &'static str) {
    let expect = fails(Outcome::Failed, ErrorKind::Context);
    meets(
        server,
        agent,
        "context",
        Script::fails(Fault::Context),
        expect,
    );
}

// proves: L-4, X-1a
fn hang(server: &Arc<Server>, agent: &'static str) {
    meets(server, agent, "hang", Script::fails(Fault::Hang), stale());
}

// proves: L-4, X-1a
fn hang_within(server: &Arc<Server>, agent: &'static str) {
    let script = Script::fails(Fault::HangWithin);
    meets(server, agent, "hang_within", script, stale());
}

// proves: X-1a
fn cut_within(server: &Arc<Server>, agent: &'static str) {
    let script = Script::write("a.txt", "a\n").first(Fault::CutWithin);
    let expect = match agent {
        // It does not try again, and calls it 500.
        "gemini" => fails(Outcome::Crashed, ErrorKind::Server),
        _ => claims(),
    };
    let (world, run) = meets(server, agent, "cut_within", script, expect);
    run.check(
        world.file("a.txt").is_some() == run.claims(),
        "its claim is true",
    );
}

// proves: X-1a
fn dropped(server: &Arc<Server>, agent: &'static str) {
    let kind = match agent {
        "gemini" | "aider" => ErrorKind::Server,
        _ => ErrorKind::Network,
    };
    let expect = fails(Outcome::Crashed, kind);
    meets(server, agent, "drop", Script::fails(Fault::Drop), expect);
}

// proves: X-1
fn malformed(server: &Arc<Server>, agent: &'static str) {
    let script = Script::calls([Call::Malformed]);
    let (world, run) = meets(server, agent, "malformed", script, claims());
    run.check(world.asked().len() == 2, "the model was told");
}

// proves: X-1a
fn refusal(server: &Arc<Server>, agent: &'static str) {
    let script = Script::default().turn(Turn {
        stop: Stop::Refusal,
        ..Turn::say("I cannot help with that.")
    });
    let expect = match agent {
        "claude" | "opencode" | "pi" => fails(Outcome::Failed, ErrorKind::Policy),
        // To these it is a reply like any other: that nothing was done is for the checks to find.
        _ => claims(),
    };
    meets(server, agent, "refusal", script, expect);
}

// proves: X-1, W-5
fn interrupt(server: &Arc<Server>, agent: &'static str) {
    let script = Script::shell("touch begun; sleep 300");
    let world = World::new(server, agent, "interrupt", script);
    let plan = Plan {
        interrupt_at: Some("begun"),
        ..Plan::default()
    };
    let run = run(&world, &plan);
    run.expect(ends(Outcome::Cancelled));
    run.check(
        matches!(run.exit.end, End::Exited(_)),
        "no signal was needed, but the one that is its way",
    );
    let cancel = world.adapter().about().unwrap().can.cancel;
    if cancel != Cancel::ProtocolLeavesTools {
        run.check(run.left.is_empty(), "its tool is gone with it");
    }
}

/// Runs a command that it must ask for, and answers; whether the command was run.
fn asked(server: &Arc<Server>, agent: &'static str, name: &str, answer: Answer) -> bool {
    let script = Script::shell("echo x > asked.txt");
    let mut world = World::new(server, agent, name, script);
    world.permission = Permission::Ask;
    let plan = Plan {
        answer: Some(answer),
        ..Plan::default()
    };
    let run = run(&world, &plan);
    let asks = run.seen.iter();
    let asks = asks.filter(|seen| matches!(seen, Seen::PermissionAsked { .. }));
    run.check(asks.count() == 1, "it asked once");
    run.expect(claims());
    let was_run = world.file("asked.txt").is_some();
    // opencode ends its turn where something is denied, and its model never hears of it.
    let turns = if agent == "opencode" && !was_run {
        1
    } else {
        2
    };
    run.check(world.asked().len() == turns, "the model was told");
    was_run
}

// proves: X-1, L-4b
fn allowed(server: &Arc<Server>, agent: &'static str) {
    assert!(asked(server, agent, "allowed", Answer::Allow), "it was run");
}

// proves: X-1, L-4b
fn denied(server: &Arc<Server>, agent: &'static str) {
    let no = Answer::Deny("not here".into());
    assert!(!asked(server, agent, "denied", no), "it was not run");
}

/// One that cannot ask is held to its permission by its sandbox.
// proves: X-1
fn held(server: &Arc<Server>, agent: &'static str) {
    let mut world = World::new(server, agent, "held", Script::shell("echo x > asked.txt"));
    world.permission = Permission::Ask;
    let run = run(&world, &Plan::default());
    run.expect(claims());
    run.check(world.file("asked.txt").is_none(), "it was not run");
}

// proves
fn resume(server: &Arc<Server>, agent: &'static str) {
    let script = Script::write("one.txt", "1\n");
    let mut world = World::new(server, agent, "resume_first", script);
    let first = run(&world, &Plan::default());
    first.expect(claims());
    world.age_sessions();
    world.resume.clone_from(&first.summary.session);
    first.check(world.resume.is_some(), "the session has an id");
    world.follow("resume", Script::write("two.txt", "2\n"));
    let second = run(&world, &Plan::default());
    second.expect(claims());
    second.check(second.summary.session == world.resume, "the same session");
    second.check(world.file("two.txt").is_some(), "it went on");
    let asked = world.asked();
    second.check(asked[0].marks >= 2, "it knows what was before");
    let used = first.summary.tokens(Before::Nothing).unwrap_or_default();
    let before = Before::Used(used, first.summary.usd(Before::Nothing));
    check_usage(&world, &second, before, 2);
}
