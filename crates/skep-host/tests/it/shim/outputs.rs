//! Output: any amount, any bytes, any disk.

use super::{World, end_of, ended, is_root, step};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use skep_host::run::{
    self,
    files::{StepEnd, StepKind},
};
use std::{ffi::CString, fs, path::PathBuf};

fn size(path: PathBuf) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

// proves: U-12, G-7
#[test]
fn a_gigabyte_leaves_a_megabyte() {
    let world = World::new();
    let spec = world.script("head -c 1000000000 /dev/zero; echo the end");
    let report = world.run(&spec);
    assert_eq!(end_of(&report), &StepEnd::Exited(0));
    assert_eq!(report.steps[0].output_bytes, 1_000_000_008);
    assert!(report.steps[0].tail.ends_with("\0the end\n") && report.steps[0].tail.len() <= 8192);
    let files = run::output(&world.folder()).files;
    assert_eq!(files.len(), 2);
    assert!(files.into_iter().map(size).sum::<u64>() <= 1_000_000);
    let chunk = run::read_output(&world.folder(), 0, 100).unwrap();
    assert!(
        chunk.at >= 999_000_000,
        "what is gone is skipped: {}",
        chunk.at
    );
    assert_eq!(chunk.bytes, [0; 100]);
    let chunk = run::read_output(&world.folder(), 1_000_000_000, 100).unwrap();
    assert_eq!(
        (chunk.at, &chunk.bytes[..]),
        (1_000_000_000, &b"the end\n"[..])
    );
    let chunk = run::read_output(&world.folder(), 1_000_000_008, 100).unwrap();
    assert_eq!((chunk.at, chunk.bytes.len()), (1_000_000_008, 0));
}

// proves: T-3
#[test]
fn bytes_that_are_no_text_are_kept_and_told_as_text() {
    let world = World::new();
    let report = world.run(&world.script(r"printf '\377\376ok\000\033[31m'; echo err >&2"));
    assert_eq!(report.steps[0].tail, "\u{fffd}\u{fffd}ok\0\u{1b}[31merr\n");
    let log = fs::read(world.folder().join("output.log")).unwrap();
    assert_eq!(
        log, b"\xff\xfeok\0\x1b[31merr\n",
        "in the order of arrival, unchanged"
    );
}

#[test]
fn a_closed_output_ends_nothing() {
    let world = World::new();
    let script = "exec >&- 2>&-; sleep 0.05; exit 4";
    assert_eq!(
        end_of(&world.run(&world.script(script))),
        &StepEnd::Exited(4)
    );
}

// proves: L-4: a following reader sees every byte once, across rotations.
#[test]
fn output_can_be_followed_while_it_is_written() {
    let world = World::new();
    let mut spec = world.script("seq 1 60000");
    // Rotated once, after 200,000 of 348,894 bytes: nothing is dropped.
    spec.output_bytes = 400_000;
    let running = world.start(&spec);
    let mut seen = Vec::new();
    let follow = |seen: &mut Vec<u8>| {
        let chunk = run::read_output(&world.folder(), seen.len() as u64, 10_000).unwrap();
        assert_eq!(chunk.at, seen.len() as u64);
        let more = !chunk.bytes.is_empty();
        seen.extend(chunk.bytes);
        more
    };
    while !super::readable(&running, std::time::Duration::ZERO) {
        follow(&mut seen);
    }
    while follow(&mut seen) {}
    let expected: String = (1..=60_000).map(|n| format!("{n}\n")).collect();
    assert_eq!(run::output(&world.folder()).files.len(), 2);
    assert!(
        seen == expected.as_bytes(),
        "{} of {} bytes",
        seen.len(),
        expected.len()
    );
}

// proves: L-4, W-10: the keeper can tell what is going on.
#[test]
fn progress_names_the_running_step() {
    let world = World::new();
    let (mut ready, _go) = (world.pipe("ready"), world.pipe("go"));
    let check = "echo check; echo ready >ready; read x <go";
    let spec = world.spec(vec![
        step(StepKind::Agent, &["echo", "agent"]),
        step(StepKind::Check, &["sh", "-c", check]),
    ]);
    assert!(run::step_progress(&world.folder()).unwrap().is_none());
    let running = world.start(&spec);
    ready.word();
    let progress = run::step_progress(&world.folder()).unwrap().unwrap();
    let (number, begun) = progress.running().unwrap();
    assert_eq!(
        (number, begun.kind, begun.output_from),
        (1, StepKind::Check, 6)
    );
    assert!(progress.output_bytes >= 6 && begun.at >= progress.progress.begun[0].at);
    fs::write(world.tree().join("go"), "go\n").unwrap();
    let report = ended(&running, &world.folder());
    assert_eq!(
        (&*report.steps[0].tail, &*report.steps[1].tail),
        ("agent\n", "check\n")
    );
    let progress = run::step_progress(&world.folder()).unwrap().unwrap();
    assert!(progress.running().is_none() && progress.output_bytes == 12);
}

/// A small disk, gone with the test.
struct Disk(PathBuf);

impl Disk {
    fn new(place: PathBuf, options: &str) -> Disk {
        fs::create_dir(&place).unwrap();
        let options = CString::new(options).unwrap();
        mount(
            "tmpfs",
            &place,
            "tmpfs",
            MountFlags::empty(),
            options.as_c_str(),
        )
        .unwrap();
        Disk(place)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

// proves: T-1: a full disk costs output, never the agent or the report.
#[test]
fn a_full_disk_costs_only_output() {
    if !is_root() {
        eprintln!("SKIPPED: needs root to mount a small disk");
        return;
    }
    for options in ["size=1m", "size=1m,nr_inodes=8"] {
        let world = World::new();
        let disk = Disk::new(world.base.path().join("runs"), options);
        let mut spec = world.script("head -c 8000000 /dev/zero; echo the end; : >done");
        spec.output_bytes = 100_000_000;
        let report = world.run(&spec);
        assert_eq!(end_of(&report), &StepEnd::Exited(0), "{options}");
        assert!(world.tree().join("done").exists());
        assert_eq!(report.steps[0].output_bytes, 8_000_008);
        assert!(report.steps[0].tail.ends_with("the end\n"));
        let kept = size(world.folder().join("output.log"));
        assert!(kept > 100_000 && kept < 1_000_000, "{options}: {kept}");
        drop(disk);
    }
}
