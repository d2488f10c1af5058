//! `.skep/state.json`: how the swarm stands, for whoever cannot or will not ask the keeper.
//!
//! Written beside its place and moved there, so that a reader, and a keeper that dies in between, never meet half of
//! it; on change only, and at most once a second. Nothing reads it back: it can be deleted, and a write that fails
//! (on a full disk) is tried again at the next change.

use crate::{api::StateDoc, http::App};
use skep_host::keeper::Gone;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    time::sleep,
};

/// Between two writes.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps the file until told to leave, or the keeper's loop has ended.
pub async fn keep(app: App, mut leave: watch::Receiver<()>) {
    let path = app.handle.site().state_file();
    let mut records = app.handle.watch();
    let mut written: Option<StateDoc> = None;
    loop {
        let Ok(doc) = look(&app).await else { return };
        let news = written.as_ref().is_none_or(|old| !doc.says_the_same(old));
        if news {
            let (to, text) = (path.clone(), doc.clone());
            let wrote = tokio::task::spawn_blocking(move || write(&to, &text)).await;
            if matches!(wrote, Ok(Ok(()))) {
                written = Some(doc);
            }
            tokio::select! {
                () = sleep(PAUSE) => {}
                _ = leave.changed() => return last(&app, &path).await,
            }
        }
        tokio::select! {
            said = records.recv() => if let Err(RecvError::Closed) = said {
                return;
            },
            _ = leave.changed() => return last(&app, &path).await,
        }
        // What has come meanwhile is all in the next look.
        while records.try_recv().is_ok() {}
    }
}

async fn look(app: &App) -> Result<StateDoc, Gone> {
    app.handle
        .query(|state, now| StateDoc::of(state, now, true))
        .await
}

/// A keeper that leaves says how it left things, if it can still be asked.
async fn last(app: &App, path: &Path) {
    if let Ok(doc) = look(app).await {
        let _ = write(path, &doc);
    }
}

fn write(path: &Path, doc: &StateDoc) -> io::Result<()> {
    let next = path.with_extension("json.tmp");
    let mut file = OpenOptions::new();
    let mut file = file
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&next)?;
    let mut text = serde_json::to_vec_pretty(doc)?;
    text.push(b'\n');
    file.write_all(&text)?;
    // Else a machine that stops could leave the name with nothing in it.
    file.sync_data()?;
    fs::rename(&next, path)
}
