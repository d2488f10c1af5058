//! Reports over the API, and as pages: bounded, and never anything but text (U-7).

use crate::api::{get, load, raw, serve};
use skep_core::{
    spec::Span,
    state::State,
    time::{Millis, Time},
};
use skep_server::{
    api::{DoneDoc, ReportDoc, ReportKind, Stamp, TroubleDoc},
    report,
};
use std::fmt::Write as _;

const HOSTILE: &str =
    "<script>alert(1)</script> | `x` [a](javascript:b) \u{1b}[2J\n# \"'&@me\u{2028}|";

fn nothing() -> ReportDoc {
    let (from, to) = (Time(1_769_000_000_000), Time(1_769_003_600_000));
    let span = Span { from, to };
    ReportDoc::of(&State::default(), ReportKind::Window, "window", span, to)
}

/// A report of a day in which everybody tried to be markup.
fn hostile() -> ReportDoc {
    let mut doc = nothing();
    doc.swarm = Some(HOSTILE.into());
    doc.done = vec![DoneDoc {
        task: HOSTILE.into(),
        mission: HOSTILE.into(),
        wave: 1,
        commit: Some(HOSTILE.into()),
        files: Some(1),
        attempts: 1,
        usd: Some(0.5),
        took_ms: 1,
        at: Stamp(doc.from.0),
    }];
    doc.trouble = vec![TroubleDoc {
        task: HOSTILE.into(),
        state: HOSTILE.into(),
        failed: 1,
        why: HOSTILE.into(),
        usd: None,
    }];
    (doc.done_count, doc.trouble_count) = (1, 1);
    doc.spending.total.attempts = Some(1);
    doc.spending.models = vec![doc.spending.total.clone()];
    doc.spending.models[0].key = HOSTILE.into();
    doc.series.at = (0..20).map(|n| doc.from.0.0 + n * 10_000).collect();
    let column: Vec<f64> = (0..20).map(f64::from).collect();
    doc.series.usd.insert(HOSTILE.into(), column);
    let column: Vec<u64> = (0..20).collect();
    doc.series.counts.insert("tasks_merged".into(), column);
    doc
}

// proves: U-7
#[test]
fn text_is_text_on_the_page_and_in_markdown_wherever_it_stands() {
    let doc = hostile();
    let page = report::html(&doc);
    assert_eq!(page.matches("<svg").count(), 2, "{page}");
    for never in ["<script", "\u{1b}", "src=", "href=", "\"'&@"] {
        assert!(!page.contains(never), "{never:?} in {page}");
    }
    let text = report::markdown(&doc);
    for never in ["<script", "\u{1b}", "[a](", "@me", "\u{2028}"] {
        // What is indented is no markup, and a name in it is as it is, but for what drives terminals.
        let markup = text.lines().filter(|line| !line.starts_with("    "));
        assert!(
            !markup.clone().any(|l| l.contains(never)),
            "{never:?} in {text}"
        );
    }
    assert!(!text.contains('\u{1b}'), "{text}");
    // Every row has as many cells as its head, whatever is in them.
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(next) = lines.peek().filter(|_| line.starts_with('|'))
            && next.starts_with('|')
        {
            assert_eq!(cells(line), cells(next), "{line}\n{next}");
        }
    }
}

// proves: U-7
#[test]
fn a_report_comes_back_from_its_document() {
    let doc = hostile();
    let text = serde_json::to_string(&doc).unwrap();
    let back: ReportDoc = serde_json::from_str(&text).unwrap();
    assert_eq!(back, doc);
    assert_eq!(report::html(&back), report::html(&doc));
}

// proves: U-7, U-12
#[tokio::test]
async fn a_report_of_five_thousand_tasks_is_bounded() {
    let served = serve();
    let mut plan = "[swarm]\nname = \"s\"\nworkers = 0\n".to_string();
    for n in 0..5_000 {
        let _ = write!(
            plan,
            "[[task]]\nid = \"t{n}\"\nmission = \"m\"\ncommand = \"true\"\n"
        );
    }
    let plan = plan.into_bytes();
    served
        .client
        .plan("application/toml", plan, false, "k")
        .await
        .unwrap();
    let doc = served.client.report("run", None).await.unwrap();
    assert_eq!(doc.tasks["ready"], 5_000);
    // As many of everything as are listed at most.
    let mut full = hostile();
    full.done = vec![full.done[0].clone(); 100];
    full.trouble = vec![full.trouble[0].clone(); 100];
    (full.done_count, full.trouble_count) = (5_000, 5_000);
    let page = report::html(&full);
    assert!(page.contains("and 4900 more"), "{page}");
    for size in [page.len(), report::markdown(&full).len()] {
        assert!(size < 300_000, "{size}");
    }
}

// proves: U-2, U-7
#[tokio::test]
async fn reports_are_asked_for_by_name_and_no_name_is_a_path() {
    let served = serve();
    load(&served).await;
    let doc = served.client.report("window", Some(Millis::mins(5)));
    let doc = doc.await.unwrap();
    assert_eq!(doc.kind, ReportKind::Window);
    assert_eq!(doc.to.0.since(doc.from.0), Millis(300_001));
    assert_eq!(doc.counts["tasks_added"], 1);
    for (path, status, code) in [
        ("/api/v1/reports", "200", "\"reports\":[]"),
        ("/api/v1/reports/daily?window=1h", "400", "bad_query"),
        ("/api/v1/reports/window?window=90d", "400", "bad_query"),
        ("/api/v1/reports/run-1", "404", "no_such_report"),
        (
            "/api/v1/reports/run-..%2f..%2fstate",
            "404",
            "no_such_report",
        ),
        ("/api/v1/reports/..%2fstate", "404", "no_such_report"),
    ] {
        let answer = raw(&served.socket, &get(path, ""), "").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{path}: {answer}"
        );
        assert!(answer.contains(code), "{path}: {answer}");
    }
}
