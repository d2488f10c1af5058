//! Charts, metrics and targets over the socket.

use super::{get, load, raw, serve};
use skep_core::time::Millis;

// proves: U-2, U-3, U-5
#[tokio::test]
async fn what_happened_is_served_as_a_chart_and_as_sums() {
    let served = serve();
    let before = served.client.metrics(None).await.unwrap();
    assert_eq!((before.since, before.counts["tasks_added"]), (None, 0));
    let nothing = served.client.series(Millis::mins(5), Millis::secs(10));
    assert!(nothing.await.unwrap().at.is_empty());
    load(&served).await;
    let metrics = served.client.metrics(Some(Millis::mins(5))).await.unwrap();
    assert_eq!(metrics.window_ms, Some(300_000));
    assert_eq!(metrics.counts["tasks_added"], 1);
    assert_eq!(metrics.levels["tasks_ready"], 1);
    assert_eq!(metrics.waste.percent, None, "nothing is known to have cost");
    let series = served.client.series(Millis::mins(5), Millis::secs(10));
    let series = series.await.unwrap();
    assert_eq!(series.step_ms, 10_000);
    assert!(series.since.is_some());
    assert_eq!(series.counts["tasks_added"].iter().sum::<u64>(), 1);
    assert_eq!(series.levels["tasks_ready"].last(), Some(&1));
    let columns = series.counts.values().chain(series.levels.values());
    assert!(columns.into_iter().all(|c| c.len() == series.at.len()));
}

// proves: U-2
#[tokio::test]
async fn a_bad_window_is_refused_by_name_and_a_step_too_fine_is_made_coarser() {
    let served = serve();
    load(&served).await;
    for (query, said) in [
        (
            "window=yesterday",
            "window: \\\"yesterday\\\" is not a length",
        ),
        ("window=46d", "window: 46d is not from 1s to 45d"),
        ("step=0s", "step: 0s is not from 1s"),
        ("wide=1h", "unknown field `wide`"),
    ] {
        let path = format!("/api/v1/series?{query}");
        let answer = raw(&served.socket, &get(&path, ""), "").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{query}: {answer}");
        assert!(answer.contains(said), "{query}: {answer}");
        assert!(answer.contains("bad_query"), "{query}: {answer}");
    }
    let day = Millis::mins(45 * 24 * 60);
    let series = served.client.series(day, Millis::secs(1)).await.unwrap();
    assert_eq!((series.step_ms, series.at.len()), (3_600_000, 1));
}

// proves: U-5
#[tokio::test]
async fn prometheus_reads_what_is_counted_and_its_counters_go_on_under_the_next_keeper() {
    let served = serve();
    load(&served).await;
    let text = served.client.prometheus().await.unwrap();
    for line in [
        "skep_info{swarm=\"s\",version=",
        "skep_tasks{state=\"ready\"} 1\n",
        "skep_tasks_added_total 1\n",
        "skep_attempts_live 0\n",
        "skep_stage_duration_seconds_bucket{stage=\"queue\",le=\"+Inf\"} 0\n",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    // Of what nobody knows there is no sample.
    assert!(!text.contains("skep_target_value{target=\"success\"}"));
    let answer = raw(&served.socket, &get("/metrics", ""), "").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4"));
    if let Some(checked) = crate::dashboards::promtool(&["check", "metrics"], &text) {
        checked.unwrap();
    }
    let site = skep_host::site::Site::new(served.dir.path());
    let state = skep_host::keeper::fold(&site).unwrap().0;
    let next = skep_server::prometheus::text(&state, skep_core::time::Time(u64::MAX));
    assert!(next.contains("skep_tasks_added_total 1\n"));
}

// proves: U-5, G-9
#[tokio::test]
async fn targets_are_served_and_what_is_not_known_is_null() {
    let served = serve();
    load(&served).await;
    let targets = served.client.targets().await.unwrap();
    assert_eq!(targets.window_ms, 86_400_000);
    let names: Vec<&str> = targets.targets.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names[..3], ["mean_duration", "success", "concurrent"]);
    assert_eq!((names.len(), names.last()), (14, Some(&"waste")));
    let success = &targets.targets[1];
    assert_eq!(
        (success.least, success.alert_under),
        (Some(80.0), Some(50.0))
    );
    assert_eq!((success.value, success.verdict.as_str()), (None, "unknown"));
}
