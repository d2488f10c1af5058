//! `skep demo` on repositories of other kinds than Skep's own: it ends well and shows every mishap handled, or
//! says why it cannot.

use crate::{Ran, Sandbox, ran};
use std::{fs, path::PathBuf};

/// A repository with these files committed.
fn repository(files: &[(&str, &[u8])]) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.git(&["init", "-q", "-b", "main"]);
    for (name, bytes) in files {
        let path = sandbox.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    sandbox.git(&["-c", "core.safecrlf=false", "add", "--force", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "start"]);
    sandbox
}

/// Where the demo may leave things; with a name that a shell would take apart.
fn temporary(sandbox: &Sandbox) -> PathBuf {
    let dir = sandbox.path().join(".git/it's a temp");
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn demo(sandbox: &Sandbox) -> Ran {
    let elsewhere = Sandbox::empty();
    let repo = sandbox.path().to_str().unwrap().to_string();
    let mut skep = elsewhere.command(&["demo", "--repo", &repo]);
    ran(skep.env("TMPDIR", temporary(sandbox)).output().unwrap())
}

#[track_caller]
fn ends_well(sandbox: &Sandbox) {
    let refs = sandbox.git(&["for-each-ref"]);
    let ran = demo(sandbox);
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert_eq!(ran.out.matches("\n  ok  ").count(), 6, "{}", ran.out);
    assert!(!ran.out.contains("??"), "{}", ran.out);
    assert!(ran.out.contains("14 of 14 tasks merged"), "{}", ran.out);
    assert_eq!(sandbox.git(&["for-each-ref"]), refs);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}

/// Nothing is begun, nothing is left, and why is said of the repository that was named.
#[track_caller]
fn is_refused(sandbox: &Sandbox, says: &str) {
    let ran = demo(sandbox);
    assert_eq!(ran.code, 2, "{}\n{}", ran.out, ran.err);
    assert!(ran.err.contains(says), "{}", ran.err);
    assert!(ran.err.contains("--repo PATH"), "{}", ran.err);
    let name = sandbox.path().to_str().unwrap();
    assert!(ran.err.contains(name), "{}", ran.err);
    assert!(!ran.err.contains("skep-demo"), "{}", ran.err);
    let left = fs::read_dir(temporary(sandbox)).unwrap().count();
    assert_eq!(left, 0, "{}", ran.err);
}

// proves: U-9
#[test]
fn on_a_python_repository() {
    ends_well(&repository(&[
        ("pyproject.toml", b"[project]\nname = \"x\"\n"),
        ("pkg/__init__.py", b""),
        ("pkg/a.py", b"def f():\n    return 1\n"),
        (".gitignore", b"*.pyc\n__pycache__/\n"),
    ]));
}

// proves: U-9
#[test]
fn on_one_page_of_documentation() {
    ends_well(&repository(&[("index.md", b"# Hello\n")]));
}

// proves: U-9
#[test]
fn on_files_without_extensions() {
    ends_well(&repository(&[
        ("Makefile", b"all:\n"),
        ("LICENSE", b"free\n"),
        ("bin/run", b"#!/bin/sh\nif true; then\n"),
    ]));
}

// proves: U-9
#[test]
fn on_a_commit_without_files() {
    ends_well(&Sandbox::new());
}

// proves: U-9
#[test]
fn on_windows_line_ends_and_binary_files() {
    ends_well(&repository(&[
        ("win.txt", b"a\r\nb\r\n"),
        ("data.bin", b"\0\x01\x02\xff\xfe"),
        ("run.sh", b"#!/bin/sh\r\nif true; then\r\necho hi; fi\r\n"),
        (
            ".gitattributes",
            b"* text eol=crlf\n*.bin binary\n*.md merge=union\n",
        ),
    ]));
}

// proves: U-9
#[test]
fn on_a_repository_that_ignores_its_pages_has_the_folder_and_broken_scripts() {
    let sandbox = repository(&[
        ("demo/README.md", b"mine\n"),
        ("demo/INDEX", b"mine\n"),
        ("notes.md", b"<<<<<<< HEAD\n"),
        ("broken.sh", b"if true; then\n"),
        (".gitignore", b"*.txt\nINDEX\n*.sh\n"),
    ]);
    sandbox.git(&["branch", "-m", "skep"]);
    ends_well(&sandbox);
}

// proves: U-9
#[test]
fn it_says_why_it_cannot() {
    let unborn = Sandbox::empty();
    unborn.git(&["init", "-q", "-b", "main"]);
    is_refused(&unborn, "has no commit yet");
    let closed = repository(&[("keep", b"x\n"), (".gitignore", b"/*\n!/keep\n")]);
    is_refused(&closed, "ignores every new folder");
    let nothing = Sandbox::empty();
    fs::create_dir(nothing.path().join(".git")).unwrap();
    is_refused(&nothing, "not a git repository");
}
