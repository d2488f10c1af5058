//! Habits that a reader cannot check in every change, checked on all sources: size, ignored tests, sleeping
//! tests, and test files that nobody compiles.

#![allow(clippy::unwrap_used)] // In a test's helpers, too, a surprise is a failure.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Files have one subject and rarely pass 500 lines; beyond this many, they are split.
const LINES_MAX: usize = 700;

/// Tests that may sleep, each with why nothing can be waited for.
const SLEEPERS: [(&str, &str); 7] = [
    (
        "crates/skep/tests/it/main.rs",
        "`until` asks other processes, which tell nobody when they are ready; it is bounded",
    ),
    (
        "crates/skep/tests/kill.rs",
        "waits for its child to end or for the moment to kill it, whichever is first",
    ),
    (
        "crates/skep/tests/real/world.rs",
        "`until`, as in the tests beside it: bounded",
    ),
    (
        "crates/skep/tests/real/leaks.rs",
        "samples the processes of real agents until it is told to stop: they tell nobody when they are there",
    ),
    (
        "crates/skep/tests/faults/programs.rs",
        "`until`, as in the tests beside it: bounded",
    ),
    (
        "crates/skep/tests/faults/storm.rs",
        "waits for its keeper to end or for the moment of the next blow, whichever is first",
    ),
    (
        "crates/skep/tests/it/tmux/chaos.rs",
        "waits for its run to end or for the moment of the next blow, whichever is first",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .into()
}

/// Every Rust file of the workspace, by its path from the root.
fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, all: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                walk(&path, all);
            } else if path.extension().is_some_and(|e| e == "rs") {
                all.push(path);
            }
        }
    }
    let root = root();
    let mut paths = Vec::new();
    walk(&root.join("crates"), &mut paths);
    walk(&root.join("xtask"), &mut paths);
    paths.sort();
    assert!(paths.len() > 100, "the sources are elsewhere now");
    let named = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
        (name.to_string(), fs::read_to_string(&path).unwrap())
    };
    paths.into_iter().map(named).collect()
}

/// The lines of code that are tests, numbered from 1. In other sources those are what follows `cfg(test)`.
fn test_lines<'t>(name: &str, text: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    let mut inside = name.contains("/tests/") || name.ends_with("/tests.rs");
    text.lines().enumerate().filter_map(move |(n, line)| {
        inside |= line.trim_start().starts_with("#[cfg(test)]");
        let code = !line.trim_start().starts_with("//");
        (inside && code).then_some((n + 1, line))
    })
}

/// What is wrong with one file, a line each.
fn complaints(name: &str, text: &str) -> Vec<String> {
    // Put together here, so that this file does not complain of itself.
    let ignored = ["#[", "ignore"].concat();
    let sleeps = ["thread::", "time::"].map(|path| [path, "sleep("].concat());
    let sleeper = SLEEPERS.iter().any(|(file, _)| *file == name);
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        found.push(format!(
            "{name}: {lines} lines; {LINES_MAX} is the most: split it by subject"
        ));
    }
    for (n, line) in test_lines(name, text) {
        if line.contains(&ignored) {
            found.push(format!(
                "{name}:{n}: an ignored test proves nothing: mend it, or skip it loudly where it cannot run"
            ));
        }
        if !sleeper && sleeps.iter().any(|s| line.contains(s.as_str())) {
            found.push(format!(
                "{name}:{n}: a test sleeps: wait for the event, bounded, or name it in SLEEPERS with a reason"
            ));
        }
    }
    found
}

#[test]
fn sources_are_tidy() {
    let sources = sources();
    let all = sources
        .iter()
        .flat_map(|(name, text)| complaints(name, text));
    let all: Vec<String> = all.collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn only_tests_that_sleep_are_named_as_sleepers() {
    let sources = sources();
    for (file, why) in SLEEPERS {
        let text = sources.iter().find(|(name, _)| name == file);
        let (_, text) = text.unwrap_or_else(|| panic!("{file} is gone; so should its entry be"));
        assert!(text.contains("sleep("), "{file} sleeps no more");
        assert!(why.len() > 20, "{file} needs a reason");
    }
}

/// The files that a module's file names with `mod x;`, of which each is one of two paths.
fn children(file: &Path, is_root: bool) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap();
    let dir = if is_root || file.ends_with("mod.rs") {
        file.parent().unwrap().into()
    } else {
        file.with_extension("")
    };
    let names = text.lines().filter_map(|line| {
        let line = line.trim().trim_start_matches("pub(crate) ");
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    let found = names.map(|name| {
        let flat = dir.join(format!("{name}.rs"));
        if flat.exists() {
            flat
        } else {
            dir.join(name).join("mod.rs")
        }
    });
    found.collect()
}

#[test]
fn every_test_file_is_compiled() {
    let (root, sources) = (root(), sources());
    let mut forgotten = Vec::new();
    let mut crates = 0;
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        let dir = entry.unwrap().path().join("tests/it");
        if !dir.exists() {
            continue;
        }
        crates += 1;
        let main = dir.join("main.rs");
        let mut open = children(&main, true);
        let mut reached = BTreeSet::from([main]);
        while let Some(file) = open.pop() {
            open.extend(children(&file, false));
            reached.insert(file);
        }
        let below = sources.iter().map(|(name, _)| root.join(name));
        let below = below.filter(|path| path.starts_with(&dir));
        forgotten.extend(below.filter(|path| !reached.contains(path)));
    }
    assert!(crates >= 4, "the tests are elsewhere now");
    assert!(forgotten.is_empty(), "no main.rs reaches {forgotten:?}");
}

/// A rule that finds nothing anywhere may be a rule that does not work.
#[test]
fn each_rule_finds_what_it_is_for() {
    let finds = |name: &str, text: &str| complaints(name, text).len();
    let (source, test) = ("crates/a/src/lib.rs", "crates/a/tests/it/a.rs");
    let long = "\n".repeat(LINES_MAX + 1);
    assert_eq!(finds(source, &long), 1);
    assert_eq!(finds(source, &long[1..]), 0);
    let ignored = ["#[test]\n#[", "ignore = \"slow\"]\nfn a() {}\n"].concat();
    assert_eq!(finds(test, &ignored), 1);
    for module in ["std::thread::", "thread::", "tokio::time::"] {
        let sleep = [module, "sleep(TICK);\n"].concat();
        assert_eq!(finds(test, &sleep), 1, "{module}");
        assert_eq!(finds(test, &format!("// {sleep}")), 0, "{module}");
        assert_eq!(finds(source, &sleep), 0, "{module}");
        let inside = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{sleep}}}\n");
        assert_eq!(finds(source, &inside), 1, "{module}");
    }
}
