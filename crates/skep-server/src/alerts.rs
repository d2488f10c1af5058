//! Alerts on their way to people (U-6).
//!
//! What is to be sent, when, and by which route is the core's to say ([`post`]); here it is sent. The service asks the
//! keeper what is due, sends it beside the keeper's loop, and reports what became of it. It remembers nothing: a letter
//! whose sending was not reported is sent again, under the same name.

mod guard;
mod hook;
mod mail;
mod mime;
mod secret;
mod send;
mod wire;
mod words;

pub(crate) use words::{id, severity};

use send::{Trouble, send};
use skep_core::{
    alert::{
        Alert, Key,
        post::{self, Letter, Message, Posted, Says},
        route::Route,
    },
    event::{By, Event, Record},
    merge::Severity,
    request::{Observation, Request, What},
    time::Time,
};
use skep_host::keeper::{Gone, Handle, Held};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{
        broadcast::{Receiver, error::RecvError},
        watch,
    },
    task::{JoinHandle, JoinSet},
};

/// So many messages are sent at once: a receiver that hangs must not keep the others from theirs.
const AT_ONCE: usize = 8;
/// Without anything due, the keeper is asked again so often all the same.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);
/// A keeper that cannot answer is asked again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// That nothing can be written down is not said again so soon.
const FULL_AGAIN: Duration = Duration::from_secs(1_800);
/// A keeper that ends waits so long for what is under way.
const FAREWELL: Duration = Duration::from_secs(5);

/// The sending of one keeper's alerts.
#[derive(Debug)]
pub struct Service {
    task: JoinHandle<()>,
    leave: watch::Sender<bool>,
}

impl Service {
    /// Begins to send what the keeper has to say, in the runtime that this is called in.
    #[must_use]
    pub fn start(handle: Handle) -> Service {
        let (leave, leaving) = watch::channel(false);
        let task = tokio::spawn(Sender::new(handle, leaving).run());
        Service { task, leave }
    }

    /// Sends what is due now, but waits for it no longer than a person would. What is left is the next keeper's.
    pub async fn leave(mut self) {
        self.leave.send_replace(true);
        if tokio::time::timeout(FAREWELL, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
            let _ = self.task.await;
        }
    }
}

struct Sender {
    handle: Handle,
    leaving: watch::Receiver<bool>,
    held: watch::Receiver<Option<Held>>,
    /// What is being sent, by route and letter.
    under_way: BTreeSet<(String, u64)>,
    sending: JoinSet<(String, Vec<u64>)>,
    /// The routes as they were last, for when the keeper cannot answer.
    known: Option<(String, Vec<Route>)>,
    /// When people were last told, without the log, that nothing can be written down.
    said_full: Option<Instant>,
}

/// What the keeper says is due.
struct Due {
    swarm: String,
    routes: Vec<Route>,
    messages: Vec<Message>,
    wake: Option<Duration>,
}

impl Sender {
    fn new(handle: Handle, leaving: watch::Receiver<bool>) -> Sender {
        let held = handle.holding();
        Sender {
            handle,
            leaving,
            held,
            under_way: BTreeSet::new(),
            sending: JoinSet::new(),
            known: None,
            said_full: None,
        }
    }

    async fn run(mut self) {
        let mut records = self.handle.watch();
        while let Some(sleep) = self.begin_due().await {
            if *self.leaving.borrow() && self.sending.is_empty() {
                return;
            }
            if !self.wait(&mut records, Instant::now() + sleep).await {
                return;
            }
        }
    }

    /// Waits until something can have become due. False: nothing more ever will.
    async fn wait(&mut self, records: &mut Receiver<Arc<Vec<Record>>>, until: Instant) -> bool {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            tokio::select! {
                Some(done) = self.sending.join_next() => {
                    if let Ok((route, letters)) = done {
                        for letter in letters {
                            self.under_way.remove(&(route.clone(), letter));
                        }
                    }
                    return true;
                }
                said = records.recv() => match said {
                    Ok(batch) if !batch.iter().any(|r| matters(&r.event)) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                },
                changed = self.leaving.changed() => return changed.is_ok(),
                Ok(()) = self.held.changed() => self.disk(),
                () = tokio::time::sleep(left) => return true,
            }
        }
    }

    /// Begins to send what is due, and says when to look again; nothing if there is no keeper any more.
    async fn begin_due(&mut self) -> Option<Duration> {
        let due = self.handle.query(|state, now| Due {
            swarm: state
                .swarm()
                .map_or_else(String::new, |s| s.spec.name.to_string()),
            routes: state
                .swarm()
                .map_or_else(Vec::new, |s| s.spec.routes.clone()),
            messages: post::messages(state, now),
            wake: post::wake_at(state, now).map(|at| at.since(now).std()),
        });
        match due.await {
            Err(Gone::Ended) => None,
            Err(Gone::Held(_)) => Some(AGAIN),
            Ok(due) => {
                for message in due.messages {
                    self.begin(&due.swarm, message);
                }
                self.known = Some((due.swarm, due.routes));
                Some(due.wake.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP))
            }
        }
    }

    /// Sends a message, unless it is on its way.
    fn begin(&mut self, swarm: &str, message: Message) {
        let route = message.route.name.clone();
        let letters: Vec<u64> = message.letters.iter().map(|l| l.seq).collect();
        let sent = |seq: &u64| self.under_way.contains(&(route.clone(), *seq));
        if self.sending.len() >= AT_ONCE || letters.iter().any(sent) {
            return;
        }
        for letter in &letters {
            self.under_way.insert((route.clone(), *letter));
        }
        let (handle, swarm) = (self.handle.clone(), swarm.to_string());
        self.sending.spawn(async move {
            let posted = match send(&swarm, &message).await {
                Ok(()) => Posted::Sent,
                Err(trouble) => Posted::Failed {
                    reason: trouble.reason,
                    for_good: trouble.for_good,
                    after: trouble.after,
                },
            };
            let seen = Observation::Posted {
                route: route.clone(),
                letters: letters.clone(),
                posted,
            };
            report(&handle, seen).await;
            (route, letters)
        });
    }

    /// The disk has become full, or has room again. While nothing at all can be written down, this is the one thing
    /// that is sent without being in the log; it may come once more when it is.
    fn disk(&mut self) {
        let held = self.held.borrow_and_update().clone();
        let mute = held.as_ref().is_some_and(|held| held.mute);
        let lacking = held.map(|held| held.why);
        // What is lacking changes by the second; that it is lacking is said once.
        let said = self.said_full.is_some_and(|at| at.elapsed() < FULL_AGAIN);
        if let (true, false, Some(why), Some((swarm, routes))) = (mute, said, &lacking, &self.known)
        {
            self.said_full = Some(Instant::now());
            let alert = Alert {
                of: Key::Disk,
                severity: Severity::Critical,
                text: skep_core::alert::line(why),
                todo: "free some space; the keeper then goes on by itself".into(),
                since: now(),
            };
            for route in routes.iter().filter(|route| route.takes(&alert)) {
                let message = at_once(route.clone(), alert.clone());
                let (swarm, name) = (swarm.clone(), route.name.clone());
                self.sending.spawn(async move {
                    // Nobody can write down what becomes of it.
                    let _ = send(&swarm, &message).await;
                    (name, Vec::new())
                });
            }
        }
        // Taken in when there is room; not waited for until then.
        let handle = self.handle.clone();
        tokio::spawn(async move { report(&handle, Observation::Disk { lacking }).await });
    }
}

fn at_once(route: Route, alert: Alert) -> Message {
    let letter = Letter {
        seq: 0,
        route: route.name.clone(),
        says: Says::Raised,
        at: alert.since,
        alert: Some(alert),
        tries: 0,
        not_before: None,
        trouble: None,
    };
    Message {
        route,
        letters: vec![letter],
    }
}

fn now() -> Time {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    Time(now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX)))
}

/// Whether an event can make something due.
fn matters(event: &Event) -> bool {
    matches!(
        event,
        Event::AlertRaised { .. }
            | Event::AlertReminded { .. }
            | Event::AlertResolved { .. }
            | Event::AlertTested { .. }
            | Event::AlertSent { .. }
            | Event::AlertDelayed { .. }
            | Event::AlertUndelivered { .. }
            | Event::PlanLoaded { .. }
    )
}

/// What is refused is out of date, and what nobody answers to is seen again by the next keeper.
async fn report(handle: &Handle, seen: Observation) {
    let request = Request {
        key: None,
        trace: "alerts".into(),
        by: By::Host,
        what: What::Observation(seen),
    };
    let _ = handle.request(request).await;
}

/// Tells the keeper's log that this keeper takes the place of one that died.
pub async fn took_over(handle: &Handle) {
    report(handle, Observation::Restarted).await;
}
