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
