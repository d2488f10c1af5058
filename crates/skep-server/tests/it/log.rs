//! `GET /attempts/N/log`: lines for people, a page at a time, of an attempt that is named by its number only.

use crate::api::{get, raw, serve};
use std::{fs, os::unix::fs::MetadataExt};

/// A run's folder as a shim leaves it.
fn leave(folder: &std::path::Path, output: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("output.log"), output).unwrap();
    let inode = fs::metadata(folder.join("output.log")).unwrap().ino();
    let progress = serde_json::json!({"version": 1, "phase": "reporting", "begun": [],
        "log": {"base": 0, "inode": inode, "dropped": 0}, "holder": null, "leader": null});
    fs::write(folder.join("progress.json"), progress.to_string()).unwrap();
}

// proves: U-2, T-3
#[tokio::test]
async fn a_log_is_served_in_harmless_lines_and_pages() {
    let served = serve();
    // Once it answers, its keeper has put away what it did not know.
    served.client.status().await.unwrap();
    let folder = served.dir.path().join(".skep/runs/a7");
    let output: String = (0..30_000)
        .map(|n| format!("line {n} \x1b]0;owned\x07end\n"))
        .collect();
    leave(&folder, &output);
    let (mut from, mut lines) = (0, Vec::new());
    loop {
        let page = served.client.log(7, from).await.unwrap();
        assert!(page.at == from && page.lines.len() < 5_000, "bounded");
        (from, lines) = (page.next, [lines, page.lines].concat());
        assert!(!page.ended, "there is no report yet");
        if !page.more {
            break;
        }
    }
    assert_eq!((from, lines.len()), (output.len() as u64, 30_000));
    assert!(lines.iter().enumerate().all(|(n, line)| {
        (line.kind.as_str(), &line.text) == ("plain", &format!("line {n} end"))
    }));
    let tail = get("/api/v1/attempts/7/log?tail=100", "");
    let tail = raw(&served.socket, &tail, "").await;
    assert!(
        tail.contains("line 29999 end") && !tail.contains("line 29000"),
        "{tail}"
    );
    assert!(!tail.contains("\"text\":\"end\""), "no half lines: {tail}");
    fs::write(folder.join("exit.json"), "{}").unwrap();
    assert!(served.client.log(7, from).await.unwrap().ended);
}

// proves: U-2, T-3
#[tokio::test]
async fn only_a_number_names_a_log_and_bad_questions_say_what_is_wrong() {
    let served = serve();
    for (path, code, told) in [
        ("8/log", "404", "there is no output of attempt 8"),
        ("..%2f..%2fx/log", "400", "named by its number"),
        ("+7/log", "400", "named by its number"),
        ("7/log?from=x", "400", "from"),
        ("7/log?from=1&tail=2", "400", "exclude each other"),
        ("7/log?form=1", "400", "form"),
        ("99999999999999999999999/log", "400", "named by its number"),
    ] {
        let asked = get(&format!("/api/v1/attempts/{path}"), "");
        let answer = raw(&served.socket, &asked, "").await;
        assert!(answer.contains(&format!(" {code} ")), "{path}: {answer}");
        assert!(answer.contains(told), "{path}: {answer}");
    }
}
