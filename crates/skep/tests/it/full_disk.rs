//! A disk that is full before anything begins: on a small file system of its own, which takes root to mount. Disks
//! that fill up on the way are among the `faults`.

use crate::{
    Ran,
    places::{git, quiet, walk},
    ran,
};
use skep_host::command::command;
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A file system of sixteen megabytes with a repository on it; unmounted when dropped.
pub(crate) struct Disk {
    dir: TempDir,
}

impl Disk {
    /// `None`, and said loudly, where nothing can be mounted.
    pub(crate) fn mount(test: &str) -> Option<Disk> {
        let dir = tempfile::Builder::new().prefix("disk").tempdir().unwrap();
        let mut mount = command("mount", dir.path());
        mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs", "."]);
        let mounted = mount.output();
        if !mounted.as_ref().is_ok_and(|o| o.status.success()) {
            crate::skipped(&format!(
                "{test}: no small file system can be mounted: {mounted:?}"
            ));
            return None;
        }
        let disk = Disk { dir };
        fs::create_dir(disk.repo()).unwrap();
        git(&disk.repo(), &["init", "-q", "-b", "main"]);
        git(&disk.repo(), &["config", "user.name", "Ann"]);
        git(&disk.repo(), &["config", "user.email", "ann@example.org"]);
        fs::write(disk.repo().join("README"), "hello\n").unwrap();
        git(&disk.repo(), &["add", "-A"]);
        git(&disk.repo(), &["commit", "-q", "-m", "start"]);
        Some(disk)
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    pub(crate) fn plan(&self, task: &str) -> String {
        let path = self.dir.path().join("plan.toml");
        let text = format!(
            "[swarm]\nname = \"disk\"\nworkers = 1\n[[task]]\nid = \"a\"\nmission = \"Make a.\"\n\
             command = '''{task}'''\n"
        );
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().into()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut skep = command(env!("CARGO_BIN_EXE_skep"), &self.repo());
        quiet(skep.args(args));
        skep
    }

    pub(crate) fn skep(&self, args: &[&str]) -> Ran {
        ran(self.command(args).output().unwrap())
    }

    pub(crate) fn fill(&self) {
        let mut file = fs::File::create(self.dir.path().join("fill")).unwrap();
        for size in [1 << 16, 1] {
            let bytes = vec![0; size];
            while file.write_all(&bytes).is_ok() {}
        }
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.dir.path().join("fill")).unwrap();
    }

    fn seen(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        walk(&self.repo(), &mut all);
        all
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.skep(&["down", "--now"]);
        // Lazily: a process of a failed test may still stand there.
        let mut umount = command("umount", Path::new("/"));
        let _ = umount.arg("--lazy").arg(self.dir.path()).output();
    }
}

// proves: T-1, W-12
#[test]
fn a_full_disk_is_refused_before_anything_is_made_and_room_is_all_it_takes() {
    let Some(disk) = Disk::mount("a full disk") else {
        return;
    };
    let plan = disk.plan("echo a > a.txt");
    disk.fill();
    let before = disk.seen();
    for _ in 0..2 {
        let refused = disk.skep(&["run", &plan]);
        assert_eq!(refused.code, 3, "{}", refused.err);
        for part in [
            "error: ",
            "No space left on device",
            "hint: free some space",
        ] {
            assert!(refused.err.contains(part), "{}", refused.err);
        }
        assert!(disk.seen() == before, "files were changed");
        assert!(!disk.repo().join(".skep").exists(), "something was made");
    }
    disk.free();
    let merged = disk.skep(&["run", &plan]);
    assert_eq!(merged.code, 0, "{}", merged.err);
    assert_eq!(git(&disk.repo(), &["show", "skep/disk:a.txt"]), "a\n");
    // What says so to git was not left empty by the first try.
    assert_eq!(git(&disk.repo(), &["status", "--porcelain"]), "");
}
