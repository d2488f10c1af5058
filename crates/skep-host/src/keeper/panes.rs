//! The panes of a swarm whose host is tmux: one thread owns them, and makes the session what the state says.
//!
//! tmux is for watching. Whatever becomes of it, attempts go on: a shim outlives its pane, and one that tmux
//! does not start is started without. What is lost is noticed ([`Watch`](crate::tmux::Watch)), told, and made
//! again, with growing pauses.

mod owner;
mod wanted;

pub(super) use wanted::{Wanted, wanted};

use super::inbox::{Handle, Message};
use crate::run::ShimCommand;
use owner::Owner;
use skep_core::{
    id::{Attempt, SwarmName, WorkerId},
    merge::Severity,
    request::Observation,
    spec::Host,
};
use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::Duration,
};

/// A keeper that ends waits so long for its session to be put away.
const LEAVES: Duration = Duration::from_secs(3);

/// Where the keeper runs attempts, as those who ask see it.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts(Arc<Mutex<BTreeMap<WorkerId, String>>>);

impl Facts {
    pub(super) fn set(&self, panes: BTreeMap<WorkerId, String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = panes;
    }
    pub(super) fn get(&self) -> BTreeMap<WorkerId, String> {
        let panes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        panes.clone()
    }
}

/// What the owner of the panes can be told.
enum Order {
    /// How it should look.
    Want(Wanted),
    /// Start this shim in its worker's pane; answered with its process, or none if it must be started without.
    Start(WorkerId, Attempt, ShimCommand, SyncSender<Option<u32>>),
    /// What was started in this worker's pane is not what runs.
    Without(WorkerId),
    /// Something may have changed.
    Look,
    /// The keeper ends. With no attempt left the session goes, too.
    Leave { over: bool, done: SyncSender<()> },
}

/// A way to the thread that owns the panes.
#[derive(Clone)]
pub(super) struct Panes {
    pub(super) swarm: SwarmName,
    orders: mpsc::Sender<Order>,
}

impl Panes {
    /// Begins to own the panes of a swarm.
    pub(super) fn begin(swarm: &SwarmName, program: PathBuf, handle: Handle) -> io::Result<Panes> {
        let (orders, inbox) = mpsc::channel();
        let session = handle.session(swarm);
        let hints = orders.clone();
        let owner = Owner::new(session, program, handle, move || {
            let _ = hints.send(Order::Look);
        });
        thread::Builder::new()
            .name("panes".into())
            .spawn(move || run(owner, &inbox))?;
        Ok(Panes {
            swarm: swarm.clone(),
            orders,
        })
    }

    /// Says how it should look from now on.
    pub(super) fn want(&self, wanted: Wanted) {
        let _ = self.orders.send(Order::Want(wanted));
    }

    /// Starts a shim in its worker's pane. None: it must be started without.
    pub(super) fn start(
        &self,
        worker: WorkerId,
        attempt: Attempt,
        shim: &ShimCommand,
    ) -> Option<u32> {
        let (reply, answer) = mpsc::sync_channel(1);
        let order = Order::Start(worker, attempt, shim.clone(), reply);
        self.orders.send(order).ok()?;
        answer.recv().ok()?
    }

    /// Says that what was started in a worker's pane ended before it took its run, which goes on without.
    pub(super) fn without(&self, worker: WorkerId) {
        let _ = self.orders.send(Order::Without(worker));
    }

    /// The keeper ends; waits a little until the panes are left as they should be.
    pub(super) fn leave(&self, over: bool) {
        let (done, left) = mpsc::sync_channel(1);
        if self.orders.send(Order::Leave { over, done }).is_ok() {
            let _ = left.recv_timeout(LEAVES);
        }
    }
}

fn run(mut owner: Owner, inbox: &Receiver<Order>) {
    loop {
        let order = match owner.pause() {
            None => inbox.recv().ok(),
            Some(pause) => match inbox.recv_timeout(pause) {
                Ok(order) => Some(order),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    owner.step();
                    continue;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => None,
            },
        };
        match order {
            Some(Order::Want(wanted)) => owner.want(wanted),
            Some(Order::Start(worker, attempt, shim, reply)) => {
                let _ = reply.send(owner.start(worker, attempt, &shim));
            }
            Some(Order::Without(worker)) => owner.without(worker),
            Some(Order::Look) => owner.hint(),
            Some(Order::Leave { over, done }) => {
                owner.leave(over);
                let _ = done.send(());
                return;
            }
            None => return,
        }
    }
}

/// Tells what happened to the session, as an event of the swarm.
fn tell(handle: &Handle, severity: Severity, text: String) {
    let seen = Observation::Noticed { severity, text };
    handle.send(Message::Performed(None, vec![seen]));
}

/// Where attempts run: as the keeper was told, or else as the plan says.
pub(super) fn host(told: Option<Host>, plan: Host) -> Host {
    told.unwrap_or(plan)
}
