//! The keeper and its watchdog.

use super::{Report, Verdict};
use crate::{commands::watchdog, place::Place};
use rustix::process::{Signal, pidfd_send_signal};
use skep_core::time::Millis;
use skep_host::presence::{KeeperFile, WatchdogFile, WatchdogLock, WatchdogState};
use skep_server::client::ClientError;
use std::time::{Duration, Instant};

/// How long a keeper that was killed gets to be gone.
const GONE: Duration = Duration::from_secs(10);

/// Looks for the keeper, and says whether one lives.
pub(super) async fn check(place: &Place, fix: bool, report: &mut Report) -> bool {
    let said = KeeperFile::read(&place.site);
    let living = said.filter(|said| said.who.hold().is_some());
    let answers = match place.client.is_there().await {
        Ok(answers) => answers,
        Err(error) => {
            let hint = "end that process, then try again";
            report.add("keeper", Verdict::Bad, error.to_string(), hint);
            return true;
        }
    };
    let lives = match &living {
        Some(keeper) if hangs(place, keeper) => end(place, keeper, fix, report),
        Some(keeper) if !answers => {
            let what = format!(
                "process {} starts, or has lost its socket",
                keeper.who.process.pid
            );
            let hint = "if it stays so, end that process; the next keeper finds its attempts";
            report.add("keeper", Verdict::Note, what, hint);
            true
        }
        Some(keeper) if is_silent(place).await => {
            let what = format!("process {} does not answer", keeper.who.process.pid);
            let limit = Millis(keeper.hung_after_ms);
            let hint = format!(
                "`fg` wakes one that Ctrl-Z suspended; after {limit} without a sign of life `--fix` ends it"
            );
            report.add("keeper", Verdict::Bad, what, &hint);
            true
        }
        None if !answers => {
            report.add("keeper", Verdict::Good, "none runs", "");
            false
        }
        _ => {
            report.add("keeper", Verdict::Good, "runs", "");
            true
        }
    };
    if !lives {
        gave_up(place, fix, report);
    }
    if let Some(keeper) = living.filter(|keeper| lives && keeper.watched) {
        watched(place, &keeper, fix, report).await;
    }
    lives
}

/// Whether it takes calls and says nothing, which is so long before it counts as hung.
async fn is_silent(place: &Place) -> bool {
    matches!(place.client.status().await, Err(ClientError::Silent))
}

fn hangs(place: &Place, keeper: &KeeperFile) -> bool {
    let silence = keeper.silence(&place.site);
    silence.is_some_and(|silence| silence > keeper.hung_after())
}

/// Ends a keeper that hangs; says whether it still lives.
fn end(place: &Place, keeper: &KeeperFile, fix: bool, report: &mut Report) -> bool {
    let pid = keeper.who.process.pid;
    let silence = keeper.silence(&place.site).unwrap_or_default();
    let silence = Millis(silence.as_secs() * 1_000);
    let what = format!("process {pid} hangs: no sign of life for {silence}");
    if !fix {
        let hint =
            "`skep doctor --fix` ends it; its attempts live on, and the next keeper adopts them";
        report.add("keeper", Verdict::Bad, what, hint);
        return true;
    }
    if let Some(pidfd) = keeper.who.hold() {
        // Should it be gone by now, all the better.
        let _ = pidfd_send_signal(pidfd, Signal::KILL);
    }
    let began = Instant::now();
    while keeper.who.hold().is_some() && began.elapsed() < GONE {
        std::thread::sleep(Duration::from_millis(10));
    }
    let gone = keeper.who.hold().is_none();
    let verdict = if gone { Verdict::Fixed } else { Verdict::Bad };
    let hint = "its watchdog starts the next, or `skep up` does";
    report.add("keeper", verdict, what, hint);
    // Its watchdog may have started the next by now: whatever lives is not to be disturbed.
    !gone || WatchdogLock::is_held(&place.site)
}

/// What a watchdog that gave up has to say. It is heard until a watchdog begins anew, or it is put away.
fn gave_up(place: &Place, fix: bool, report: &mut Report) {
    let said = WatchdogFile::read(&place.site);
    let Some(said) = said.filter(|said| said.state == WatchdogState::GaveUp) else {
        return;
    };
    let last = said.failures.last().map_or("unknown", |f| f.why.as_str());
    let what = format!(
        "gave up on the keeper after {} failures; last: {last}",
        said.failures.len()
    );
    let gone = fix && std::fs::remove_file(place.site.watchdog_file()).is_ok();
    let verdict = if gone { Verdict::Fixed } else { Verdict::Bad };
    let hint = ".skep/keeper.log has the keepers' own words; `skep up --detach` begins anew";
    report.add("watchdog", verdict, what, hint);
}

async fn watched(place: &Place, keeper: &KeeperFile, fix: bool, report: &mut Report) {
    let what = "its watchdog is gone: nothing starts the keeper again should it die";
    if WatchdogLock::is_held(&place.site) {
        report.add("watchdog", Verdict::Good, "watches the keeper", "");
    } else if !fix {
        report.add(
            "watchdog",
            Verdict::Note,
            what,
            "`skep doctor --fix` starts another",
        );
    } else {
        match watchdog::spawn(place, keeper.hung_after(), keeper.host, &keeper.listen).await {
            Ok(()) => report.add("watchdog", Verdict::Fixed, what, ""),
            Err(failure) => {
                report.add("watchdog", Verdict::Bad, failure.render(false).trim(), "");
            }
        }
    }
}
