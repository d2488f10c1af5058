//! What a test must not leave behind (W-15): processes of its repository, and files of Skep's outside of it.

use crate::Sandbox;
use std::{fs, path::Path};

/// What `skep doctor` calls litter, by kind.
pub(crate) const KINDS: [&str; 6] = [
    "files",
    "runs",
    "processes",
    "worktrees",
    "branches",
    "locks",
];

/// What `skep doctor` with these arguments says of what was left: verdict, kind, and what it is.
pub(crate) fn told(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let ran = sandbox.skep(&[&["doctor", "--json"], args].concat());
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    let ours = checks.filter(|check| KINDS.iter().any(|kind| check["name"] == *kind));
    ours.map(|c| {
        let text = |key: &str| c[key].as_str().unwrap().to_string();
        format!("{} {} {}", text("verdict"), text("name"), text("what"))
    })
    .collect()
}

/// Every process that belongs to the repository at `root`: it works there, it was told of it, or it is a shim
/// of a run there; each with its command line.
pub(crate) fn processes(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let text = root.to_str().unwrap();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if !pid.bytes().all(|b| b.is_ascii_digit()) || pid == std::process::id().to_string() {
            continue;
        }
        // A folder that was removed has " (deleted)" behind its name.
        let cwd = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let mentions = |name: &str| {
            let content = fs::read(entry.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&content).contains(text)
        };
        let works_there = cwd.starts_with(root) || cwd.to_string_lossy().contains(text);
        if works_there || mentions("cmdline") || mentions("environ") {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            // What is dead and not yet taken note of has neither.
            if !line.is_empty() {
                found.push(format!(
                    "{pid}: {}",
                    String::from_utf8_lossy(&line).replace('\0', " ")
                ));
            }
        }
    }
    found
}

/// Nobody but the owner can read a folder and what is in it.
#[track_caller]
pub(crate) fn private(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let entries = fs::read_dir(dir).unwrap().flatten();
    for path in entries.map(|entry| entry.path()).chain([dir.into()]) {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}
