//! How the rest of the program speaks with the keeper's loop.

use super::{
    Batch, Options, guard,
    panes::{self, Facts},
};
use crate::{
    site::Site,
    tmux::{Session, Tmux, TmuxError},
};
use skep_agents::redact::Secrets;
use skep_core::{
    id::{SwarmName, WorkerId},
    plan::Action,
    request::{Answer, Observation, Refusal, Request},
    spec::{Host, Plan},
    state::State,
    time::Time,
    word::Word,
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, mpsc},
};
use tokio::sync::{broadcast, oneshot, watch};

/// Why nobody answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gone {
    /// The keeper's loop has ended.
    #[error("the keeper has ended")]
    Ended,
    /// The keeper cannot write down what it decides, and so answers nothing until it can. What was asked of it
    /// takes effect then.
    #[error("the keeper waits: {0}")]
    Held(String),
}

/// What keeps a keeper from going on, though nobody is to blame and it goes on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// A sentence that says what is lacking.
    pub why: String,
    /// Whether not even answers are given.
    pub mute: bool,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The answer is no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is nobody to answer. Whether the request took effect is in the log.
    #[error(transparent)]
    Gone(#[from] Gone),
}

type Reply = oneshot::Sender<Result<Answer, Refusal>>;
type Query = Box<dyn FnOnce(&State, Time) + Send>;

/// What the loop can be told.
pub(super) enum Message {
    /// A command, with whom to answer.
    Request(Request, Reply),
    /// A performer is done with an action (so that it may be begun again if it is still wanted), and saw this.
    Performed(Option<Action>, Vec<Observation>),
    /// A question about the committed state.
    Query(Query),
    /// End.
    Stop,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Request(request, _) => f.debug_tuple("Request").field(request).finish(),
            Message::Performed(action, seen) => f
                .debug_tuple("Performed")
                .field(action)
                .field(seen)
                .finish(),
            Message::Query(_) => f.write_str("Query"),
            Message::Stop => f.write_str("Stop"),
        }
    }
}

/// A way to a running keeper. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    sender: mpsc::Sender<Message>,
    records: broadcast::Sender<Batch>,
    site: Arc<Site>,
    hurried: Arc<watch::Sender<bool>>,
    told: Option<Host>,
    tmux: Arc<Tmux>,
    pub(super) panes: Facts,
    held: Arc<watch::Sender<Option<Held>>>,
    secrets: Arc<Secrets>,
}

impl Handle {
    pub(super) fn new(
        sender: mpsc::Sender<Message>,
        records: broadcast::Sender<Batch>,
        site: Site,
        options: &Options,
    ) -> Handle {
        Handle {
            sender,
            records,
            site: Arc::new(site),
            hurried: Arc::default(),
            told: options.host,
            tmux: Arc::new(Tmux::from_vars(&options.env)),
            panes: Facts::default(),
            held: Arc::default(),
            secrets: Arc::new(guard::secrets(&options.env)),
        }
    }

    /// What the keeper knows and nobody may keep.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// An agent's word without what it should not have said. The loop does the same; who compares a word with what
    /// the state holds needs it so before.
    #[must_use]
    pub fn without_secrets(&self, mut word: Word) -> Word {
        guard::of_word(&self.secrets, &mut word);
        word
    }

    /// Where attempts of a plan that says `plan` run under this keeper.
    #[must_use]
    pub fn host(&self, plan: Host) -> Host {
        panes::host(self.told, plan)
    }

    /// The workers' panes, by worker, where there are panes.
    #[must_use]
    pub fn panes(&self) -> BTreeMap<WorkerId, String> {
        self.panes.get()
    }

    /// The tmux session that a swarm under this keeper has, or would have.
    #[must_use]
    pub fn session(&self, swarm: &SwarmName) -> Session {
        Session::of(&self.tmux, swarm, &self.site)
    }

    /// Whether this plan's attempts can run where they are to run.
    ///
    /// # Errors
    /// Why not.
    pub fn check_host(&self, plan: &Plan) -> Result<(), TmuxError> {
        match self.host(plan.swarm.host) {
            Host::Headless => Ok(()),
            Host::Tmux => self.tmux.ready(&plan.swarm.name, &self.site),
        }
    }

    /// Where the swarm's files are.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Asks for something. The answer comes when its effects are durable.
    ///
    /// # Errors
    /// A refusal, or that there is no keeper any more.
    pub async fn request(&self, request: Request) -> Result<Answer, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.sender
            .send(Message::Request(request, reply))
            .map_err(|_| Gone::Ended)?;
        Ok(self.answered(answer).await??)
    }

    /// What keeps the keeper from going on, if anything does.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        self.held.borrow().clone()
    }

    /// The same, for whoever waits for a change of it.
    #[must_use]
    pub fn holding(&self) -> watch::Receiver<Option<Held>> {
        self.held.subscribe()
    }

    pub(super) fn hold(&self, held: Option<Held>) {
        self.held.send_if_modified(|now| {
            let news = *now != held;
            *now = held;
            news
        });
    }

    /// The answer, or why there is none.
    async fn answered<T>(&self, answer: oneshot::Receiver<T>) -> Result<T, Gone> {
        let mut held = self.held.subscribe();
        let mute = held.wait_for(|held| held.as_ref().is_some_and(|h| h.mute));
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|_| Gone::Ended),
            // The sender is this handle's own, so it is there.
            held = mute => Err(held.map_or(Gone::Ended, |held| {
                Gone::Held(held.as_ref().map_or_else(String::new, |h| h.why.clone()))
            })),
        }
    }

    /// Asks a question about the committed state. The question runs on the keeper's own thread, so it must
    /// be quick.
    ///
    /// # Errors
    /// When there is no keeper any more.
    pub async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&State, Time) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        let query: Query = Box::new(move |state, now| {
            let _ = reply.send(question(state, now));
        });
        self.sender
            .send(Message::Query(query))
            .map_err(|_| Gone::Ended)?;
        self.answered(answer).await
    }

    /// Committed records from now on, one batch an append. Who lags too far behind is told so and reads the
    /// log instead.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Batch> {
        self.records.subscribe()
    }

    /// Whether everything was told to stop at once and nothing has been told to go on since. No check and no
    /// set-up runs then, so a merge that is under way waits for the next keeper, or for a resume.
    #[must_use]
    pub fn is_hurried(&self) -> bool {
        *self.hurried.borrow()
    }

    /// Waits until that is so.
    pub async fn hurried(&self) {
        // The sender is this handle's own, so it is there.
        let _ = self.hurried.subscribe().wait_for(|on| *on).await;
    }

    pub(super) fn hurry(&self, on: bool) {
        self.hurried.send_replace(on);
    }

    pub(super) fn publish(&self, batch: Batch) {
        // Nobody watching is not an error.
        let _ = self.records.send(batch);
    }

    /// Tells the loop something; if it has ended, nobody is left who would care.
    pub(super) fn send(&self, message: Message) {
        let _ = self.sender.send(message);
    }
}
