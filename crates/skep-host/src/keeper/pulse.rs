//! How a keeper shows that it lives: its loop touches `keeper.json`, and tells the service manager.
//!
//! The loop itself does it, not a thread beside it that would go on when the loop hangs. And it is told, not
//! asked: whoever asks over the socket would count a keeper as hung that waits for room on a full disk.

use super::Ended;
use crate::{
    notify::Notify,
    presence::{self, KeeperFile, Who},
    site::Site,
};
use skep_core::spec::Host;
use std::{
    fs::{self, File},
    io,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// What a keeper says of itself, and to whom.
#[derive(Clone, Debug)]
pub struct Presence {
    /// Whether it stays when a plan is done.
    pub stays: bool,
    /// Whether a watchdog is wanted for it.
    pub watched: bool,
    /// Without a heartbeat for so long it counts as hung.
    pub hung_after: Duration,
    /// The service manager, if one started it.
    pub notify: Option<Arc<Notify>>,
    /// Where it listens beside its socket, in the words of the command line: for whoever starts the next one.
    pub listen: Vec<String>,
}

impl Default for Presence {
    fn default() -> Self {
        Presence {
            stays: false,
            watched: false,
            hung_after: Duration::from_secs(120),
            notify: None,
            listen: Vec::new(),
        }
    }
}

impl Presence {
    /// How often the loop shows that it lives: often enough that a missed beat or two mean nothing, and
    /// within half of what a service manager allows.
    fn interval(&self) -> Duration {
        let asked = self.notify.as_ref().and_then(|n| n.watchdog());
        let own = self.hung_after / 6;
        let interval = asked.map_or(own, |limit| own.min(limit / 3));
        interval.max(Duration::from_millis(10))
    }
}

/// The heartbeat of one keeper.
pub(super) struct Pulse {
    site: Site,
    file: File,
    said: KeeperFile,
    interval: Duration,
    next: Instant,
    notify: Option<Arc<Notify>>,
}

impl Pulse {
    /// Says that this process is the site's keeper. Only for who holds the log.
    pub(super) fn begin(site: &Site, presence: &Presence, host: Option<Host>) -> io::Result<Pulse> {
        let said = KeeperFile {
            version: 1,
            who: Who::me()?,
            skep: env!("CARGO_PKG_VERSION").into(),
            stays: presence.stays,
            watched: presence.watched,
            host,
            listen: presence.listen.clone(),
            hung_after_ms: u64::try_from(presence.hung_after.as_millis()).unwrap_or(u64::MAX),
        };
        let file = place(site, &said)?;
        Ok(Pulse {
            site: site.clone(),
            file,
            said,
            interval: presence.interval(),
            next: Instant::now(),
            notify: presence.notify.clone(),
        })
    }

    /// How long until the next beat is due.
    pub(super) fn left(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Beats, if it is time.
    ///
    /// # Errors
    /// When the site was removed: nothing this keeper decides could ever be read again.
    pub(super) fn beat(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if now < self.next {
            return Ok(());
        }
        self.next = now + self.interval;
        if !presence::is_at(&self.file, &self.site.keeper_file()) {
            if !self.site.log().exists() {
                let dir = self.site.dir().display();
                return Err(Ended(format!("{dir} was removed while the keeper ran")));
            }
            // Only the file is gone. A disk that will not take it is no reason to end.
            if let Ok(file) = place(&self.site, &self.said) {
                self.file = file;
            }
        }
        let _ = self.file.set_modified(SystemTime::now());
        if let Some(notify) = &self.notify {
            notify.say("WATCHDOG=1");
        }
        Ok(())
    }

    /// The keeper ends because somebody wanted it to. It still holds the log, so nobody else's are removed.
    pub(super) fn end(&self) {
        let _ = fs::remove_file(self.site.notify());
        if presence::is_at(&self.file, &self.site.keeper_file()) {
            let _ = fs::remove_file(self.site.keeper_file());
        }
    }
}

fn place(site: &Site, said: &KeeperFile) -> io::Result<File> {
    let path = site.keeper_file();
    presence::write(&path, said)?;
    File::options().write(true).open(path)
}
