//! Secrets in streams: found however they are cut, and nothing else is touched.

use crate::replay::tests;
use proptest::prelude::*;
use skep_agents::redact::{Redactor, Secrets};
use std::fs;

// Put together here, so that no scanner takes this file for a leak.
fn made_up() -> Vec<(&'static str, String)> {
    let a = |n: usize| {
        "aB3dE5gH7jK9mN1pQ"
            .chars()
            .cycle()
            .take(n)
            .collect::<String>()
    };
    let upper = "AB3DE5GH7JK9MN1P";
    vec![
        (
            "anthropic-key",
            format!("sk-ant-api03-{}-{}AA", a(40), a(30)),
        ),
        ("openai-key", format!("sk-proj-{}_{}", a(40), a(20))),
        ("openai-key", format!("sk-{}", a(48))),
        ("github-token", format!("ghp_{}", a(36))),
        ("github-token", format!("github_pat_{}_{}", a(22), a(40))),
        ("google-key", format!("AIza{}", a(35))),
        ("aws-key-id", format!("AKIA{upper}")),
        ("slack-token", format!("xoxb-123456789012-{}", a(24))),
        ("jwt", format!("eyJ{}.eyJ{}.{}", a(33), a(70), a(43))),
        (
            "skep-token",
            format!("skep-a12-{}", "0123456789abcdef".repeat(4)),
        ),
        ("huggingface-token", format!("hf_{}", a(34))),
        ("private-key", key("\n")),
    ]
}

fn key(end: &str) -> String {
    let dashes = "-".repeat(5);
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    let body = [line; 6].join(end);
    format!(
        "{dashes}BEGIN RSA PRIVATE KEY{dashes}{end}{body}{end}{dashes}END RSA PRIVATE KEY{dashes}"
    )
}

fn secrets() -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add_variables([
        ("DB_PASSWORD", "p4ss \"w\\rd\" ü"),
        ("MY_TOKEN", "plainly-known-value-1"),
        ("MY_LONGER_TOKEN", "plainly-known-value-1-and-more"),
        ("HOME", "/home/somebody"),
        ("MAX_OUTPUT_TOKENS", "1000000000000000"),
        ("KEY_FILE", "/etc/keys/of/mine"),
        ("FLAG_KEY", "enabled"),
    ]);
    secrets
}

fn pieces(secrets: &Secrets, bytes: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut redactor, mut out) = (Redactor::new(secrets), Vec::new());
    let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
    while !rest.is_empty() {
        let cut = cuts
            .next()
            .map_or(rest.len(), |n| (*n).clamp(1, rest.len()));
        redactor.push(&rest[..cut], &mut out);
        rest = &rest[cut..];
    }
    redactor.end(&mut out);
    out
}

// proves: T-2
#[test]
fn every_known_shape_is_found_in_text_json_colours_and_commands_and_the_rest_stays() {
    for (kind, secret) in made_up() {
        let line = secret.replace('\n', "\\n");
        for (before, after) in [
            ("", ""),
            ("key: ", " end"),
            ("KEY=", "\nnext"),
            ("{\"text\":\"it is\\n", "\\nthere\"}"),
            ("{\"text\":\"{\\\"key\\\":\\\"", "\\\"}\"}"),
            ("\u{1b}[1;31m", "\u{1b}[0m"),
            ("curl -H 'x: ", "' https://x.test/a"),
        ] {
            let secret = if before.starts_with('{') {
                &line
            } else {
                &secret
            };
            let found = secrets().clean(&format!("{before}{secret}{after}"));
            assert_eq!(
                found,
                format!("{before}[redacted:{kind}]{after}"),
                "{secret}"
            );
        }
    }
}

// proves: T-2
#[test]
fn what_stands_in_a_context_is_found_and_the_context_stays() {
    let value = "abcdefghij0123456789ABCDEFGHIJ/+abcdefgh";
    assert_eq!(value.len(), 40);
    for (text, clean) in [
        (
            format!("aws_secret_access_key = {value}\n"),
            "aws_secret_access_key = [redacted:aws-secret]\n",
        ),
        (
            format!("{{\"SecretAccessKey\": \"{value}\"}}"),
            "{\"SecretAccessKey\": \"[redacted:aws-secret]\"}",
        ),
        (
            "Authorization: Bearer abcdefgh12345678.x".into(),
            "Authorization: Bearer [redacted:bearer]",
        ),
        (
            "postgres://me:hunter2@db:5432/x".into(),
            "postgres://me:[redacted:password]@db:5432/x",
        ),
        (
            "https://:x-oauth@github.com/".into(),
            "https://:[redacted:password]@github.com/",
        ),
        (
            "DB is p4ss \"w\\rd\" ü!".into(),
            "DB is [redacted:DB_PASSWORD]!",
        ),
        (
            r#"{"x":"p4ss \"w\\rd\" ü"}"#.into(),
            r#"{"x":"[redacted:DB_PASSWORD]"}"#,
        ),
        (
            r#"{"x":"{\"y\":\"p4ss \\\"w\\\\rd\\\" ü\"}"}"#.into(),
            r#"{"x":"{\"y\":\"[redacted:DB_PASSWORD]\"}"}"#,
        ),
        (
            "plainly-known-value-1-and-more".into(),
            "[redacted:MY_LONGER_TOKEN]",
        ),
        (
            "plainly-known-value-1-and-less".into(),
            "[redacted:MY_TOKEN]-and-less",
        ),
    ] {
        assert_eq!(secrets().clean(&text), clean);
        assert_eq!(secrets().clean(clean), clean, "once is as good as twice");
    }
}

// proves: T-2
#[test]
fn a_login_file_gives_its_secrets_and_not_its_names() {
    let mut secrets = Secrets::default();
    secrets.add_file("auth.json", r#"{"provider":{"type":"oauth-with-words","access":"first-secret-1","refreshToken":"second-secret-2","expires":1900000000000,"account_id":"not-a-secret-3"},"tokens":["third-value-4"]}"#);
    secrets.add_file(
        ".env",
        "# comment\nexport API_KEY=\"fourth-secret-5\"\nNAME=not-secret-6\n",
    );
    let text = "first-secret-1 second-secret-2 fourth-secret-5 oauth-with-words not-a-secret-3 not-secret-6";
    assert_eq!(
        secrets.clean(text),
        "[redacted:auth.json] [redacted:auth.json] [redacted:API_KEY] oauth-with-words not-a-secret-3 not-secret-6"
    );
    assert!(
        !format!("{secrets:?}").contains("first"),
        "it is never shown"
    );
}

// proves: T-2
#[test]
fn hashes_ids_lock_files_base64_and_talk_of_keys_pass() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut texts = vec![
        fs::read_to_string(format!("{root}/Cargo.lock")).unwrap(),
        fs::read_to_string(tests().join("locks/package-lock.json")).unwrap(),
    ];
    for cli in crate::replay::CLIS {
        for file in fs::read_dir(tests().join("transcripts").join(cli)).unwrap() {
            texts.push(fs::read_to_string(file.unwrap().path()).unwrap());
        }
    }
    texts.extend(
        [
            "commit 0123456789abcdef0123456789abcdef01234567 skep/s.w1 refs/skep/salvage/a/b/1",
            "4db9506d-bb43-491d-90a7-2125e861dde6 01a1fbcd-134e-7900-a468-0a3142acf8ad",
            "sha512-Fjqy2TO6IUmRLGQXTTZ6rMfKxhTqjEFO+kZpWRLkQEIKMNJBcXGPbBGZnZEXjvGQDZFyvKtTzUg7K3FQRv3JqA==",
            "the task-runner, a disk-usage and the risk-assessment1234567890abcdef",
            "-----BEGIN PRIVATE KEY----- is how one begins, and -----END PRIVATE KEY----- how it ends",
            "use `sk-ant-...`, `ghp_...` or $ANTHROPIC_API_KEY; set AWS_SECRET_ACCESS_KEY=$SECRET",
            "Bearer authentication is described in RFC 6750; a bearer token is a token",
            "https://registry.npmjs.org/@babel/core/-/core-7.1.0.tgz git@github.com:a/b.git http://127.0.0.1:8080/a@b",
            "https://$USER:$TOKEN@example.test ssh://git@host:22/x https://***:***@x.test",
            "eyJhbGciOiJIUzI1NiJ9 alone, eyJub3QiOiJhIHRva2VuIn0=.txt",
            "msgid sk-estimator-doc-link sk-toggleable__content MAX_TOKENS=4096",
        ]
        .map(String::from),
    );
    let base64 = "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg";
    texts.push(base64.repeat(1000));
    for text in texts {
        let clean = secrets().clean(&text);
        if clean != text {
            let at = clean.find("[redacted").unwrap_or(0);
            panic!(
                "{}",
                &clean[at.saturating_sub(60)..(at + 60).min(clean.len())]
            );
        }
    }
}

// proves: T-2
#[test]
fn json_stays_json_where_a_secret_was() {
    for (_, secret) in made_up() {
        for text in [
            secret.clone(),
            format!("cat key\n{secret}\n$ "),
            format!("\"{secret}\"\\"),
        ] {
            let inner = serde_json::json!({ "stdout": text }).to_string();
            let line = serde_json::json!({ "type": "x", "deep": inner, "text": text }).to_string();
            let clean = secrets().clean(&line);
            let read: serde_json::Value = serde_json::from_str(&clean).expect(&clean);
            let _: serde_json::Value =
                serde_json::from_str(read["deep"].as_str().unwrap()).expect(&clean);
        }
    }
}

/// Texts with secrets, halves of secrets and what looks like some.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let all: Vec<String> = made_up().into_iter().map(|(_, secret)| secret).collect();
    let some = proptest::sample::select(all);
    let part =
        (some.clone(), 0..80usize).prop_map(|(text, n)| text[..n.min(text.len())].to_string());
    let known = proptest::sample::select(vec![
        "plainly-known-value-1-and-more",
        "plainly-known-value-1",
        "p4ss \"w\\rd\" ü",
        "p4ss \\\"w\\\\rd",
        "https://a:b",
        "c@d",
        "Bearer ",
        "-----BEGIN ",
        "PRIVATE KEY-----\\n",
        "-----END ",
        "aws_secret_access_key=",
        "\\n",
        "\u{1b}[1;3m",
        "xx",
    ]);
    let piece = prop_oneof![
        3 => some,
        3 => part,
        3 => known.prop_map(String::from),
        2 => "[ -~\\n]{0,12}",
        1 => "\\PC{0,4}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    // proves: T-2, X-2
    #[test]
    fn how_a_stream_is_cut_makes_no_difference(text in texts(), cuts in proptest::collection::vec(1..60usize, 1..8)) {
        let secrets = secrets();
        let whole = pieces(&secrets, &text, &[]);
        let cut = pieces(&secrets, &text, &cuts);
        let (cut_text, whole_text) = (String::from_utf8_lossy(&cut), String::from_utf8_lossy(&whole));
        prop_assert_eq!(cut_text, whole_text);
        prop_assert_eq!(pieces(&secrets, &text, &[1]), whole);
    }

    // proves: T-2
    #[test]
    fn text_without_secrets_is_the_same_byte_for_byte(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        words in "([a-z]{1,10}[ .\\n]){0,50}",
        cuts in proptest::collection::vec(1..60usize, 1..8),
    ) {
        let secrets = secrets();
        prop_assert_eq!(&pieces(&secrets, &bytes, &cuts), &bytes);
        prop_assert_eq!(pieces(&secrets, words.as_bytes(), &cuts), words.as_bytes());
    }

    // proves: T-2
    #[test]
    fn a_secret_is_found_wherever_it_is_cut(
        which in 0..12usize,
        before in "[ -~\\n]{0,20}[ :=\"]",
        cuts in proptest::collection::vec(1..40usize, 1..8),
    ) {
        let (_, secret) = &made_up()[which];
        let text = format!("{before}{secret} after");
        let clean = pieces(&secrets(), text.as_bytes(), &cuts);
        let clean = String::from_utf8(clean).unwrap();
        prop_assert!(!clean.contains(&secret[secret.len() - 12..]), "{clean}");
        prop_assert!(clean.ends_with("] after"), "{clean}");
    }
}

// proves: T-2, X-2
#[test]
fn a_million_lines_pass_in_bounded_memory() {
    let secrets = secrets();
    let line = "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"see https://docs.rs/skep at src/lib.rs\"}]}}\n";
    let block = line.repeat(1000);
    let (mut redactor, mut out, mut passed) = (Redactor::new(&secrets), Vec::new(), 0);
    for _ in 0..1000 {
        redactor.push(block.as_bytes(), &mut out);
        assert!(block.len() + 1024 >= out.len());
        passed += out.len();
        out.clear();
    }
    redactor.end(&mut out);
    assert_eq!(passed + out.len(), 1_000_000 * line.len());
    // What never ends is not kept, and is not dropped for ever.
    let mut redactor = Redactor::new(&secrets);
    let endless = "x".repeat(1 << 20);
    redactor.push(format!("sk-ant-{endless}").as_bytes(), &mut out);
    redactor.push(endless.as_bytes(), &mut out);
    assert!(
        out.len() > (1 << 20) && out.len() < (1 << 21),
        "{}",
        out.len()
    );
}
