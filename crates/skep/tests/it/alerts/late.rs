//! Receivers that ask for time, or take too much of it.

use super::{
    keeper, list,
    receivers::{Hook, TAKEN},
    run, states, webhook,
};
use crate::{Sandbox, until};
use std::{process::Child, time::Duration};

fn end(sandbox: &Sandbox, mut keeper: Child) {
    sandbox.expect(0, &["down"]);
    keeper.wait().unwrap();
}

// proves: U-6
#[test]
fn who_is_asked_too_often_is_left_alone_for_as_long_as_it_says() {
    let sandbox = Sandbox::new();
    let hook = Hook::start(|n| match n {
        0 => "HTTP/1.1 429 Slowly\r\nretry-after: 4\r\ncontent-length: 0\r\n\r\n".into(),
        _ => TAKEN.into(),
    });
    sandbox.write("plan.toml", &webhook(&hook, "allow_private = true"));
    let keeper = keeper(&sandbox);
    run(&sandbox, 1);
    until("it is sent", || {
        states(&list(&sandbox)) == ["task_failed/a sent"]
    });
    let posts = hook.posts();
    assert_eq!(posts.len(), 2);
    // By itself it would have come again within a second.
    let waited = posts[1].at - posts[0].at;
    assert!(waited >= Duration::from_secs(4), "{waited:?}");
    assert_eq!(posts[0].header("x-skep-id"), posts[1].header("x-skep-id"));
    let list = list(&sandbox);
    assert_eq!(list["deliveries"][0]["tries"], 1);
    end(&sandbox, keeper);
}

// proves: U-6
#[test]
fn a_receiver_that_never_answers_is_told_again_and_keeps_nobody_else_waiting() {
    let sandbox = Sandbox::new();
    let (hangs, quick) = (
        Hook::start(|n| if n == 0 { String::new() } else { TAKEN.into() }),
        Hook::start(|_| TAKEN.into()),
    );
    let more = format!(
        "allow_private = true\n[[alerts.route]]\nname = \"quick\"\nkind = \"webhook\"\nurl = \"{}\"\nallow_private = true",
        quick.url()
    );
    sandbox.write("plan.toml", &webhook(&hangs, &more));
    let keeper = keeper(&sandbox);
    run(&sandbox, 1);
    until("the quick one has it", || !quick.posts().is_empty());
    assert!(hangs.posts().len() <= 1);
    until("it is noted", || {
        let list = list(&sandbox);
        let all = list["deliveries"].as_array().unwrap().iter();
        let slow = all.clone().find(|d| d["route"] == "ops");
        slow.is_some_and(|d| {
            d["trouble"]
                .as_str()
                .is_some_and(|t| t.contains("no answer within"))
        })
    });
    until("it has it, too", || {
        states(&list(&sandbox)) == ["task_failed/a sent", "task_failed/a sent"]
    });
    end(&sandbox, keeper);
}
