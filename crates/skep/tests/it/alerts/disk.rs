//! The one message that is sent without the log: that nothing can be written to it any more.

use super::receivers::{Hook, TAKEN};
use crate::{full_disk::Disk, until};
use std::{fs, process::Stdio};

// proves: U-6, T-1
#[test]
fn a_full_disk_is_told_while_nothing_can_be_written_down_and_once() {
    let Some(disk) = Disk::mount("alerts of a full disk") else {
        return;
    };
    let hook = Hook::start(|_| TAKEN.into());
    let outside = tempfile::tempdir().unwrap();
    let (begun, gate) = (outside.path().join("begun"), outside.path().join("gate"));
    let plan = disk.plan(&format!(
        "touch {}; until test -e {}; do sleep 0.02; done; echo a > a.txt",
        begun.display(),
        gate.display()
    ));
    let route = format!(
        "[[alerts.route]]\nname = \"ops\"\nkind = \"webhook\"\nallow_private = true\nurl = \"{}\"\n",
        hook.url()
    );
    let tasks = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, format!("{tasks}{route}")).unwrap();
    let mut keeper = disk.command(&["run", &plan]);
    let keeper = keeper.stdout(Stdio::null()).stderr(Stdio::null());
    let mut keeper = keeper.spawn().unwrap();
    until("the task runs", || begun.exists());
    disk.fill();
    let without_log = || {
        let posts = hook.posts();
        let of_no_event = |p: &&super::receivers::Post| p.header("x-skep-id").ends_with("-0");
        posts
            .iter()
            .filter(of_no_event)
            .map(|p| p.json())
            .collect::<Vec<_>>()
    };
    until("people are told", || {
        // Each is one more event, until no more can be written.
        let _ = disk.skep(&["alerts", "silence", "idle", "--for", "1h"]);
        !without_log().is_empty()
    });
    let told = without_log();
    let alert = &told[0]["alerts"][0];
    assert_eq!(alert["key"], "disk");
    assert_eq!(alert["severity"], "critical");
    assert!(
        alert["todo"].as_str().unwrap().contains("free some space"),
        "{alert}"
    );
    disk.free();
    fs::write(&gate, "").unwrap();
    let status = keeper.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert_eq!(without_log().len(), 1);
}
