//! What people read of a log: golden for every recorded transcript, harmless and bounded for anything.

use crate::replay::{all, rules, tests};
use proptest::prelude::*;
use skep_agents::{Adapter, KNOWN, Kind, Narrator, Telling, command};
use std::{fmt::Write, fs};

fn told(narrator: &mut Narrator, printed: &[u8]) -> Vec<Telling> {
    let mut told = Vec::new();
    for line in printed.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        told.extend(narrator.line(line));
    }
    told.extend(narrator.end());
    told
}

// proves: U-1
#[test]
fn every_recorded_transcript_is_told_as_it_was() {
    let bless = std::env::var_os("SKEP_BLESS").is_some();
    let folder = tests().join("golden/narrated");
    let mut stories: std::collections::BTreeMap<&str, String> = std::collections::BTreeMap::new();
    for transcript in all() {
        let story = stories.entry(transcript.cli).or_default();
        writeln!(story, "== {}", transcript.name).unwrap();
        for one in told(&mut transcript.adapter().narrator(), &transcript.printed()) {
            let kind = format!("{:?}", one.kind).to_lowercase();
            let text: String = one.text.chars().take(200).collect();
            writeln!(story, "{kind:8}{text}").unwrap();
            assert_ne!(
                (one.kind, one.text.starts_with("{\"type\"")),
                (Kind::Plain, true),
                "a line of the protocol that nobody knows: {}",
                one.text
            );
        }
    }
    for (cli, story) in stories {
        let file = folder.join(format!("{cli}.txt"));
        if bless {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, story).unwrap();
        } else {
            let there = fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(there, story, "SKEP_BLESS=1 rewrites {}", file.display());
        }
    }
}

fn everybody() -> impl Iterator<Item = Narrator> {
    let known = KNOWN
        .iter()
        .map(|about| Adapter::named(about.name).unwrap());
    let ruled = [command::AIDER, command::GEMINI, command::OPENCODE].map(rules);
    known
        .chain(ruled)
        .map(|adapter| adapter.narrator())
        .chain([Narrator::plain()])
}

fn harmless(told: &[Telling]) {
    for one in told {
        assert!(one.text.chars().count() <= 2_400, "{}", one.text.len());
        assert!(!one.text.chars().any(char::is_control), "{:?}", one.text);
    }
}

// proves: T-3
#[test]
fn what_drives_a_terminal_is_gone_from_words_tools_and_results() {
    let evil = r"\u001b]0;title\u0007\u001b[2Jseen\u202e\u009b2J";
    let lines = [
        format!(
            r#"{{"type":"assistant","message":{{"content":[{{"type":"text","text":"{evil}"}},{{"type":"tool_use","name":"{evil}","input":{{"command":"{evil}"}}}}]}}}}"#
        ),
        format!(
            r#"{{"type":"user","message":{{"content":[{{"type":"tool_result","content":"{evil}"}}]}}}}"#
        ),
        format!(r#"{{"type":"result","is_error":true,"result":"{evil}"}}"#),
    ];
    let mut narrator = Adapter::named("claude").unwrap().narrator();
    let told = told(&mut narrator, lines.join("\n").as_bytes());
    harmless(&told);
    let texts: Vec<&str> = told.iter().map(|one| one.text.as_str()).collect();
    assert_eq!(texts, ["seen", "seen: seen", "seen", "seen"]);
}

proptest! {
    // proves: X-2, T-3
    #[test]
    fn anything_can_be_told_and_is_harmless(
        lines in proptest::collection::vec(
            prop_oneof![
                "\\PC{0,40}",
                "[\\x00-\\x9f]{0,40}",
                r#"\{"type":"(assistant|user|result|item.completed|message_end|text)","(message|item|part|content)":(\[|\{|"|1|null)[a-z{}\[\]":,0-9]{0,40}"#,
                r#"\{"jsonrpc":"2.0","(id|method|params|result)":("session/update"|\{\}|\[\]|3|null)\}"#,
            ],
            0..20,
        ),
    ) {
        for mut narrator in everybody() {
            harmless(&told(&mut narrator, lines.join("\n").as_bytes()));
        }
    }
}

// proves: X-2
#[test]
fn a_message_without_end_is_bounded() {
    let long = "word \\n".repeat(100_000);
    let line = format!(
        r#"{{"type":"assistant","message":{{"content":[{{"type":"text","text":"{long}"}}]}}}}"#
    );
    let mut narrator = Adapter::named("claude").unwrap().narrator();
    assert!(told(&mut narrator, line.as_bytes()).len() <= 402);
    let chunk = r#"{"jsonrpc":"2.0","method":"session/update","params":{"update":{"sessionUpdate":"agent_message_chunk","content":{"text":"words and "}}}}"#;
    let mut narrator = Adapter::named("gemini").unwrap().narrator();
    let mut most = 0;
    for _ in 0..100_000 {
        let told = narrator.line(chunk.as_bytes());
        most = most.max(told.iter().map(|one| one.text.len()).sum());
    }
    assert!(most <= 2 * 64 * 1024, "{most}");
    assert!(narrator.waits());
}
