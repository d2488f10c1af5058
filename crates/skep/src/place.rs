//! Where a command acts: the repository, its files, and its keeper or, without one, its log.

use crate::{
    args::Context,
    failure::{Exit, Failure},
    term,
};
use skep_core::{
    id::{Attempt, TaskId},
    spec::Host,
    state::State,
    time::Time,
};
use skep_host::{
    git::Repo,
    keeper::{self, Keeper, Presence, StartError},
    notify,
    owner::Owner,
    presence::ServerFile,
    run::{self, Look},
    site::Site,
    tmux::{Session, Tmux},
    token,
};
use skep_server::{
    alerts,
    api::{
        AlertList, AnswerDoc, AskList, By, CommandDoc, ConcernList, ConfigDoc, ConflictList,
        CostsDoc, MetricsDoc, PricesDoc, Problem, SCHEMA, StateDoc, Status, TargetsDoc, TaskDetail,
        TaskList, Unattended, WhyDoc, WorkerList,
    },
    client::{Client, ClientError},
    config::{self, Changes},
    http::{
        self, App, Door,
        socket::Socket,
        tcp::{Limits, Listen, ListenError, Tcp},
    },
    prometheus, report, state_file, task_hint, unique_id,
};
use skep_store::{OpenError, SqliteLog};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    sync::{Arc, Once},
    time::{Duration, Instant, SystemTime},
};
use tokio::{sync::watch, task::JoinHandle};

/// A keeper that has the log answers within this time.
const STARTS: Duration = Duration::from_secs(10);
/// How often it is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// A repository with its site.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) repo: Repo,
    pub(crate) site: Site,
    pub(crate) client: Client,
}

/// Where read verbs read: one truth, two ways to it.
pub(crate) enum Source {
    Keeper(Client),
    Log(Box<Unattended>),
}

impl Place {
    /// The repository that the person stands in, or named with `-C`.
    pub(crate) fn find(ctx: &Context) -> Result<Place, Failure> {
        let repo = Repo::discover(&ctx.dir)?;
        let site = Site::new(repo.root());
        let client = Client::new(&site.socket(), "cli");
        Ok(Place { repo, site, client })
    }

    /// The keeper if one runs, and else the log as it is.
    pub(crate) async fn source(&self) -> Result<Source, Failure> {
        if self.client.is_there().await? {
            return Ok(Source::Keeper(self.client.clone()));
        }
        let log = self.unattended()?;
        term::say("no keeper runs; this is what the log says\n");
        Ok(Source::Log(Box::new(log)))
    }

    /// The swarm as it is while nobody keeps it.
    pub(crate) fn unattended(&self) -> Result<Unattended, Failure> {
        let state = self.fold()?;
        let running = self.running(&state);
        Ok(Unattended { state, running })
    }

    /// The attempts that still run. The log cannot know what has ended since; an attempt's own folder does.
    pub(crate) fn running(&self, state: &State) -> BTreeSet<Attempt> {
        let live = state.live().map(|live| live.attempt);
        let runs = |attempt: &Attempt| {
            let folder = self.site.runs().join(format!("a{attempt}"));
            matches!(run::look(&folder), Look::Running(_))
        };
        live.filter(runs).collect()
    }

    /// As [`source`](Place::source), for verbs that change something: where there was never a swarm there is none
    /// to change.
    pub(crate) async fn steered(&self) -> Result<Source, Failure> {
        if self.has_log() {
            return self.source().await;
        }
        Ok(Source::Keeper(self.client.clone()))
    }

    /// The state as the log has it; an empty one when there is no log yet.
    pub(crate) fn fold(&self) -> Result<State, Failure> {
        if !self.has_log() {
            return Ok(State::default());
        }
        Ok(keeper::fold(&self.site)?.0)
    }

    /// Keeps keepers from starting while what they use is put away; none where there was never one.
    pub(crate) fn rest(&self) -> Result<Option<keeper::Rest>, Failure> {
        if !self.has_log() {
            return Ok(None);
        }
        Ok(Some(keeper::rest(&self.site)?))
    }

    /// Whether a keeper has ever run here.
    pub(crate) fn has_log(&self) -> bool {
        SqliteLog::is_known(&self.site.log())
    }

    /// The state, as the keeper's events or, without one, the log has it.
    pub(crate) async fn state(&self) -> Result<State, Failure> {
        let mut events = match self.client.events(0, false).await {
            Err(ClientError::NoKeeper) => return self.fold(),
            events => events?,
        };
        let mut state = State::default();
        while let Some(event) = events.next().await? {
            state.apply(&event.into());
        }
        Ok(state)
    }

    /// Sends a command under a key of its own. "Nothing to do" is success: it is as it should be.
    pub(crate) async fn command(&self, doc: &CommandDoc) -> Result<Option<AnswerDoc>, Failure> {
        let key = unique_id();
        let send = async || self.client.command(doc, &key).await;
        let noted = async |app: &App| http::act(app, "cli", &key, doc).await;
        self.answer(send, noted).await
    }

    /// Changes numbers, as [`command`](Place::command) does the rest.
    pub(crate) async fn configure(&self, changes: &Changes) -> Result<Option<AnswerDoc>, Failure> {
        let key = unique_id();
        let send = async || self.client.configure(changes, &key).await;
        let noted =
            async |app: &App| http::configure(app, Some(key.clone()), "cli".into(), changes).await;
        self.answer(send, noted).await
    }

    /// What a keeper answered, or, without one, what the log does.
    async fn answer(
        &self,
        send: impl AsyncFn() -> Result<AnswerDoc, ClientError>,
        noted: impl AsyncFnOnce(&App) -> Result<AnswerDoc, Problem>,
    ) -> Result<Option<AnswerDoc>, Failure> {
        let deadline = Instant::now() + STARTS;
        let answered = loop {
            match send().await {
                Err(ClientError::NoKeeper) if self.has_log() => {}
                Err(ClientError::Refused(no)) => break Err(no),
                sent => break Ok(sent?),
            }
            match Keeper::at_rest(self.site.clone()) {
                // A keeper that starts, most often in place of one that failed, has the log before it answers.
                Err(StartError::Open(OpenError::Locked { .. })) if Instant::now() < deadline => {
                    tokio::time::sleep(AGAIN).await;
                }
                keeper => break self.note_down(keeper?, noted).await?,
            }
        };
        match answered {
            Ok(answer) => Ok(Some(answer)),
            Err(no) if &*no.code == "nothing_to_do" => {
                term::say(&format!("{}\n", term::escape(&no.detail)));
                Ok(None)
            }
            Err(no) => Err((*no).into()),
        }
    }

    /// Writes down what a person wants of a swarm that nobody keeps; the next keeper acts on it.
    async fn note_down(
        &self,
        keeper: Keeper,
        noted: impl AsyncFnOnce(&App) -> Result<AnswerDoc, Problem>,
    ) -> Result<Result<AnswerDoc, Box<Problem>>, Failure> {
        static SAID: Once = Once::new();
        let app = App {
            handle: keeper.handle(),
            repo: self.repo.clone(),
        };
        let answer = noted(&app).await;
        keeper.stop();
        // Only then is the log free for the next keeper.
        let ended = keeper.closed().await;
        ended.map_err(|e| Failure::new(Exit::Refused, "it could not be noted").because(&e))?;
        if answer.is_ok() {
            SAID.call_once(|| {
                term::say(
                    "no keeper runs: this is noted, and the next `skep run` goes on with it\n",
                );
            });
        }
        Ok(answer.map_err(Box::new))
    }

    /// The tmux session that this swarm has, or would have; none before the first plan.
    pub(crate) fn session(&self, state: &State) -> Option<Session> {
        let swarm = state.swarm()?;
        Some(Session::of(&Tmux::from_env(), &swarm.spec.name, &self.site))
    }

    /// Starts a keeper in this process, and serves its socket and where else it is to `listen`. `host` is where its
    /// attempts run, if that is not for plans to say.
    pub(crate) fn start_keeper(
        &self,
        presence: Presence,
        host: Option<Host>,
        listen: Option<Listen>,
    ) -> Result<Hosted, Failure> {
        let program = std::env::current_exe()
            .map_err(|e| Failure::new(Exit::Refused, "cannot find the skep program").because(&e))?;
        // What is not text cannot be handed on by name, and no agent has asked for it.
        // Nor is what a keeper has of the attempt that it was itself started in any other attempt's.
        let own = |k: &OsString| k == token::VARIABLE || notify::VARIABLES.iter().any(|v| k == v);
        let env = std::env::vars_os().filter(|(k, _)| !own(k));
        let env = env.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let options = keeper::Options {
            program,
            env: env.collect(),
            presence,
            host,
        };
        let runtime = tokio::runtime::Handle::current();
        let keeper = Keeper::start(self.repo.clone(), self.site.clone(), options, &runtime)?;
        let socket = Socket::bind(&self.site.socket())?;
        // Only who holds the log and the socket says where the swarm is.
        let web = listen.and_then(|listen| self.listen(&listen));
        let app = App {
            handle: keeper.handle(),
            repo: self.repo.clone(),
        };
        let door = web.as_ref().map(|(_, door)| door.clone());
        let (leave, mut left) = watch::channel(());
        let (file_leave, file_left) = watch::channel(());
        let state_file = tokio::spawn(state_file::keep(app.clone(), file_left));
        let reports = report::Service::start(app.clone());
        let router = http::router_with(app, door);
        let served = tokio::spawn(async move {
            let mut leaving = left.clone();
            let left = async move { drop(left.changed().await) };
            let leaving = async move { drop(leaving.changed().await) };
            let local = socket.serve(router.clone(), left);
            match web {
                None => drop(local.await),
                // Accepting never fails for good; it ends with this task.
                Some((tcp, door)) => drop(tokio::join!(local, tcp.serve(router, door, leaving))),
            }
        });
        let alerts = alerts::Service::start(keeper.handle());
        Ok(Hosted {
            alerts,
            reports,
            keeper,
            served,
            leave,
            state_file: (file_leave, state_file),
        })
    }
}

impl Place {
    /// Begins to listen over TCP. Where that cannot be had, the swarm goes on without: it needs its socket alone, and
    /// a watchdog's keeper must not fail for somebody else's use of a port.
    fn listen(&self, listen: &Listen) -> Option<(Tcp, Arc<Door>)> {
        let last = ServerFile::read(&self.site).map(|last| last.address);
        let open = || -> Result<_, ListenError> {
            let tcp = Tcp::bind(listen, last, Limits::default())?;
            let door = tcp.door(Owner::of(&self.site)?);
            Ok((tcp, door))
        };
        let (tcp, door) = open()
            .inspect_err(|error| {
                let failure = Failure::new(Exit::Refused, "no browser can connect").because(error);
                failure.hint(error.hint()).say();
            })
            .ok()?;
        let file = ServerFile {
            version: 1,
            address: tcp.address(),
            url: format!("{}/", door.base()),
        };
        if let Err(error) = file.write(&self.site) {
            // Nothing but the next keeper's choice of a port hangs on it.
            let error = error.to_string();
            let said = term::escape(&error);
            term::say(&format!("cannot write .skep/server.json: {said}\n"));
        }
        Some((tcp, door))
    }
}

/// A keeper in this process.
pub(crate) struct Hosted {
    alerts: alerts::Service,
    reports: report::Service,
    pub(crate) keeper: Keeper,
    served: JoinHandle<()>,
    leave: watch::Sender<()>,
    /// What keeps `.skep/state.json`, and how it is told to leave.
    state_file: (watch::Sender<()>, JoinHandle<()>),
}

impl Hosted {
    /// Stops the keeper; its attempts live on.
    pub(crate) async fn stop(mut self) {
        let handle = self.keeper.handle();
        let session = handle.query(|state, _| {
            let swarm = state.swarm()?;
            Some((swarm.spec.name.clone(), swarm.spec.host))
        });
        let session = session.await.ok().flatten();
        let session = session.filter(|(_, host)| handle.host(*host) == Host::Tmux);
        // What became due with the last event is told while there is a log to note it in.
        self.alerts.leave().await;
        self.reports.leave().await;
        // While the keeper can still say how it leaves things.
        let _ = self.state_file.0.send(());
        let _ = tokio::time::timeout(Duration::from_secs(1), &mut self.state_file.1).await;
        self.keeper.stop();
        // Its thread ends at once unless the disk hangs; then it must not keep the person waiting.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.keeper.closed()).await;
        self.leave.send_replace(());
        // Whoever asked for this end is told that it has come; who only watches events is not waited for.
        let served = tokio::time::timeout(Duration::from_millis(300), &mut self.served);
        if served.await.is_err() {
            self.served.abort();
            let _ = self.served.await;
        }
        if let Some((swarm, _)) = session {
            say_what_stays(&handle.session(&swarm));
        }
    }
}

/// A session outlives its keeper while attempts run in it, or somebody watches.
fn say_what_stays(session: &Session) {
    if let Ok(Some(_)) = session.panes() {
        let why = match session.viewers() {
            Ok(0) => "for the attempts in it",
            Ok(_) | Err(_) => "until its last viewer detaches",
        };
        term::say(&format!(
            "the tmux session {} stays {why}\n",
            session.name()
        ));
    }
}

/// Refuses, before anything is begun, to run attempts where they cannot be run.
pub(crate) fn check_host(told: Option<Host>) -> Result<(), Failure> {
    if told == Some(Host::Tmux) {
        Tmux::from_env().check()?;
    }
    Ok(())
}

impl Source {
    pub(crate) async fn status(&self) -> Result<Status, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.status().await?),
            Source::Log(log) => Ok(log.status(now())),
        }
    }
    pub(crate) async fn tasks(&self) -> Result<TaskList, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.tasks().await?),
            Source::Log(log) => Ok(log.tasks(now())),
        }
    }
    pub(crate) async fn task(&self, id: &TaskId) -> Result<TaskDetail, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.task(id.as_str()).await?),
            Source::Log(log) => match log.state.task(id) {
                Some(task) => Ok(log.task(task, now())),
                None => Err(Failure::usage(format!("there is no task {id}"))
                    .hint(task_hint(&log.state, id.as_str()))),
            },
        }
    }
    pub(crate) async fn workers(&self) -> Result<WorkerList, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.workers().await?),
            Source::Log(log) => Ok(log.workers(now())),
        }
    }
    pub(crate) async fn why(&self, name: &TaskId) -> Result<WhyDoc, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.why(name.as_str()).await?),
            Source::Log(log) => log.why(name.as_str(), now()).ok_or_else(|| {
                Failure::usage(format!("there is no task or worker {name}"))
                    .hint(task_hint(&log.state, name.as_str()))
            }),
        }
    }
    pub(crate) async fn config(&self) -> Result<ConfigDoc, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.config().await?),
            Source::Log(log) => Ok(ConfigDoc {
                schema: SCHEMA,
                settings: config::of_state(&log.state),
            }),
        }
    }
    pub(crate) async fn costs(&self, by: By) -> Result<CostsDoc, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.costs(by).await?),
            Source::Log(log) => Ok(CostsDoc::of(&log.state, now(), by)),
        }
    }
    pub(crate) async fn targets(&self) -> Result<TargetsDoc, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.targets().await?),
            Source::Log(log) => Ok(TargetsDoc::of(&log.state, now())),
        }
    }
    pub(crate) async fn metrics(&self) -> Result<MetricsDoc, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.metrics(None).await?),
            Source::Log(log) => Ok(MetricsDoc::of(&log.state, None, now())),
        }
    }
    pub(crate) async fn prometheus(&self) -> Result<String, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.prometheus().await?),
            Source::Log(log) => Ok(prometheus::text(&log.state, now())),
        }
    }
    pub(crate) async fn prices(&self) -> Result<PricesDoc, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.prices().await?),
            Source::Log(log) => Ok(PricesDoc::of(&log.state)),
        }
    }
    pub(crate) async fn asks(&self) -> Result<AskList, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.asks().await?),
            Source::Log(log) => Ok(AskList::of(&log.state)),
        }
    }
    pub(crate) async fn alerts(&self) -> Result<AlertList, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.alerts().await?),
            Source::Log(log) => Ok(AlertList::of(&log.state, now())),
        }
    }
    pub(crate) async fn standing(&self) -> Result<StateDoc, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.standing().await?),
            Source::Log(log) => Ok(StateDoc::of(&log.state, now(), false)),
        }
    }
    pub(crate) async fn concerns(&self) -> Result<ConcernList, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.concerns().await?),
            Source::Log(log) => Ok(log.concerns(now())),
        }
    }
    pub(crate) async fn conflicts(&self) -> Result<ConflictList, Failure> {
        match self {
            Source::Keeper(client) => Ok(client.conflicts().await?),
            Source::Log(log) => Ok(ConflictList::of(&log.state)),
        }
    }
}

/// The moment it is, for showing ages.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Time(since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
}
