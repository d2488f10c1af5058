//! What a program tells of its secrets is in none of its run's files, however it tells it.

use super::{talks::Played, *};
use skep_agents::Answer;
use skep_host::run::{
    Secrets, narrated, tail_output,
    talk::{Word, heard, say},
};

/// Every file of a run that holds a text.
fn holding(folder: &std::path::Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(holding(&entry.path(), text));
        } else if String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).contains(text) {
            found.push(entry.path());
        }
    }
    found
}

const KEY: &str = "sk-very-secret";

// proves: T-2, T-3
#[test]
fn an_agents_words_questions_errors_and_last_words_are_kept_without_its_secrets() {
    let played = Played::of("secrets");
    let running = played.world.start(&played.spec);
    let asked = played.until(|heard| !heard.asks.is_empty());
    assert_eq!(
        asked.asks[0].text,
        r#"{"command":"curl -u [redacted:FAKE_KEY]"}"#
    );
    assert!(heard(&played.world.folder()).unwrap().is_some());
    let word = Word::Answer {
        ask: asked.asks[0].number,
        answer: Answer::Deny("no".into()),
    };
    say(&played.world.folder(), &word).unwrap();
    let report = ended(&running, &played.world.folder());
    let heard = report.steps[0].heard.as_ref().unwrap();
    let done = heard.summary.done.as_ref().unwrap();
    assert_eq!(
        done.text,
        "I failed with [redacted:FAKE_KEY] and [redacted:FAKE_KEY]"
    );
    assert_eq!(
        report.steps[0].tail.trim(),
        "complains: [redacted:FAKE_KEY]"
    );
    assert!(!format!("{report:?}").contains(KEY));
    // Nor in the pieces in which it was told.
    for secret in [KEY, &KEY[..KEY.len() - 4], "ghp_0123456789"] {
        assert_eq!(
            holding(&played.world.folder(), secret),
            [""; 0].map(std::path::PathBuf::from)
        );
    }
    let got = played.got();
    let token = got
        .split("SKEP_TOKEN=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let token = token.expect("it got a token");
    assert_eq!(
        holding(&played.world.folder(), &token[20..]),
        [""; 0].map(std::path::PathBuf::from)
    );
    let lines = narrated(&played.world.folder(), 0, 1 << 20, &Secrets::default())
        .unwrap()
        .lines;
    let lines: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert!(
        lines.contains(&"the key is [redacted:FAKE_KEY], my token [redacted:SKEP_TOKEN] and "),
        "{lines:?}"
    );
    assert!(lines.contains(&"halves: [redacted:FAKE_KEY]"), "{lines:?}");
}

// proves: T-2
#[test]
fn a_plain_program_s_output_and_its_tail_are_kept_without_secrets() {
    let world = World::new();
    // The second half comes only after the first was read; the last has no line's end.
    let script = "printf 'a %s' \"${KEY%????}\"; until grep -q a \"$LOG\"; do :; done; \
                  printf '%s\\n' \"${KEY#\"${KEY%????}\"}\"; printf 'https://me:hunter2'; printf '@x %s' \"$KEY\"";
    let mut spec = world.spec(vec![step(StepKind::Agent, &["sh", "-c", script])]);
    let log = world.folder().join("output.log");
    spec.env.insert("LOG".into(), log.to_str().unwrap().into());
    spec.env.insert("KEY".into(), KEY.into());
    let report = world.run(&spec);
    let told = "a [redacted:KEY]\nhttps://me:[redacted:password]@x [redacted:KEY]";
    assert_eq!(report.steps[0].tail, told);
    let kept = tail_output(&world.folder(), 1000).unwrap().bytes;
    assert_eq!(String::from_utf8_lossy(&kept), told);
}
