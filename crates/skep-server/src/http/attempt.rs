//! The routes of agents (U-8): each speaks for one attempt, by its token, and can reach nothing else by it.

use super::{
    App, asking,
    bucket::{Bucket, Rate},
    gone,
    openapi::{Name, op},
    routes::Routes,
    write,
};
use crate::api::{
    AskInput, BlockInput, CheckpointInput, ContextDoc, HeardDoc, MemoInput, MemoList, Problem,
    SCHEMA, TakenDoc, WORD_BYTES,
};
use axum::{
    Json,
    body::Bytes,
    extract::{State as Shared, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
};
use serde::de::DeserializeOwned;
use skep_core::{
    attempt::{Live, Phase},
    event::By,
    id::Attempt,
    merge::Severity,
    request::{Observation, Refusal, Request, What},
    state::State,
    word::Word,
};
use skep_host::{
    keeper::RequestError,
    token::{Kept, Token},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// So much an attempt may ask and say: far more than any agent has to, and far less than a keeper can hear.
const RATE: Rate = Rate {
    burst: 30,
    refill: Duration::from_millis(200),
};
/// So many attempts are remembered. Many more than run at one time; the oldest are forgotten, and read again.
const REMEMBERED: usize = 4_096;
/// So many refused tokens are told of in a keeper's life. It is the first that matters.
const TOLD: usize = 32;

/// What an attempt can see and say.
pub(super) fn routes() -> Routes<Agents> {
    const UNPROCESSABLE: &[StatusCode] = &[StatusCode::UNPROCESSABLE_ENTITY];
    const SAID: &[StatusCode] = &[
        StatusCode::NOT_FOUND,
        StatusCode::CONFLICT,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    let ask = |id, summary| {
        op::<HeardDoc>(id, summary)
            .part::<Name>("id", "The question, as its asking was answered")
            .refuses(UNPROCESSABLE)
            .for_agents()
    };
    let word = |id, summary| op::<TakenDoc>(id, summary).refuses(SAID).for_agents();
    Routes::new()
        .get(
            "/attempt",
            context,
            op::<ContextDoc>(
                "getAttemptContext",
                "What the attempt is to do, and the time it has",
            )
            .for_agents(),
        )
        .post(
            "/attempt/checkpoint",
            checkpoint,
            word("sayCheckpoint", "Report progress").takes::<CheckpointInput>(),
        )
        .post(
            "/attempt/heartbeat",
            heartbeat,
            word("sayHeartbeat", "Say that the agent is still at it"),
        )
        .post(
            "/attempt/block",
            block,
            word("sayBlock", "Say that this attempt cannot go on").takes::<BlockInput>(),
        )
        .post(
            "/attempt/ask",
            asking::put,
            op::<HeardDoc>("putAsk", "Ask a person; the same text is the same question")
                .takes::<AskInput>()
                .refuses(SAID)
                .for_agents(),
        )
        .get(
            "/attempt/ask/{id}",
            asking::wait,
            ask("awaitAnswer", "Wait a while for the answer"),
        )
        .delete(
            "/attempt/ask/{id}",
            asking::close,
            word("closeAsk", "Say that the answer was heard")
                .part::<Name>("id", "The question, as its asking was answered"),
        )
        .get(
            "/attempt/memos",
            memos,
            op::<MemoList>(
                "listAttemptMemos",
                "What agents have found out in this plan",
            )
            .for_agents(),
        )
        .post(
            "/attempt/memos",
            memo,
            word("sayMemo", "Record a finding").takes::<MemoInput>(),
        )
        .limit(WORD_BYTES)
}

/// The attempts that speak, with what is remembered of them.
#[derive(Clone)]
pub(super) struct Agents {
    pub(super) app: App,
    desk: Arc<Mutex<Desk>>,
}

#[derive(Default)]
struct Desk {
    known: BTreeMap<Attempt, (Kept, Bucket)>,
    /// Attempts for which a forged token was presented; none for tokens of no attempt there is.
    told: BTreeSet<Option<Attempt>>,
}

/// What came of looking at a token.
enum Seen {
    Good(Attempt),
    TooMany(Duration),
    /// It is forged; whether that is news.
    Forged(Option<Attempt>, bool),
}

impl Agents {
    pub(super) fn new(app: App) -> Agents {
        let desk = Arc::default();
        Agents { app, desk }
    }

    /// Whose token it is that came with a request.
    pub(super) async fn speaker(&self, headers: &HeaderMap) -> Result<Attempt, Problem> {
        let bearer = headers.get(header::AUTHORIZATION);
        let bearer = bearer.and_then(|v| v.to_str().ok()?.strip_prefix("Bearer "));
        let Some(text) = bearer else {
            let detail = "this address is for agents, and takes an attempt's token";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "no_token", detail)
                .hint("it is in SKEP_TOKEN of an agent that Skep has started, and nowhere else"));
        };
        match self.look_at(text) {
            Seen::Good(attempt) => Ok(attempt),
            Seen::TooMany(wait) => {
                let detail = "this attempt asks and says too much at once";
                let ms = wait.as_millis() + 1;
                Err(
                    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many", detail).hint(format!(
                        "wait {ms} ms; one call in {} ms is always taken",
                        RATE.refill.as_millis()
                    )),
                )
            }
            Seen::Forged(attempt, news) => {
                if news {
                    self.tell(attempt).await;
                }
                let detail = "this is no attempt's token";
                Err(Problem::new(StatusCode::UNAUTHORIZED, "bad_token", detail)
                    .hint("use SKEP_TOKEN as it was given to the agent; this was noted"))
            }
        }
    }

    fn look_at(&self, text: &str) -> Seen {
        let token = Token::read(text);
        let now = Instant::now();
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(token) = token else {
            return desk.forged(None);
        };
        let attempt = token.attempt();
        if !desk.known.contains_key(&attempt) {
            let Some(kept) = Kept::of(self.app.handle.site(), attempt) else {
                return desk.forged(None);
            };
            if desk.known.len() >= REMEMBERED {
                desk.known.pop_first();
            }
            desk.known.insert(attempt, (kept, Bucket::full(RATE, now)));
        }
        match desk.known.get_mut(&attempt) {
            Some((kept, bucket)) if token.is(kept) => match bucket.take(now) {
                Ok(()) => Seen::Good(attempt),
                Err(wait) => Seen::TooMany(wait),
            },
            _ => desk.forged(Some(attempt)),
        }
    }

    /// People should know. What was presented is not repeated: it may be somebody's real secret.
    async fn tell(&self, attempt: Option<Attempt>) {
        let whose = attempt.map_or("no attempt".into(), |a| {
            format!("attempt {a}, with a wrong secret")
        });
        let text = format!("a call with a forged token was refused: it names {whose}");
        let noticed = Observation::Noticed {
            severity: Severity::Warning,
            text,
        };
        // Nobody is left to tell if the keeper has ended.
        let _ = self.ask(By::Host, "token".into(), noticed).await;
    }

    async fn ask(&self, by: By, trace: String, seen: Observation) -> Result<u64, RequestError> {
        let request = Request {
            key: None,
            trace,
            by,
            what: What::Observation(seen),
        };
        let answer = self.app.handle.request(request).await?;
        Ok(answer.seq)
    }

    /// Takes an attempt's word.
    pub(super) async fn take(
        &self,
        attempt: Attempt,
        word: Word,
    ) -> Result<Json<TakenDoc>, Problem> {
        let seen = Observation::Word { attempt, word };
        let taken = self.ask(By::Agent(attempt), format!("attempt-{attempt}"), seen);
        match taken.await {
            Ok(seq) => Ok(Json(TakenDoc {
                schema: SCHEMA,
                attempt: attempt.0,
                seq,
            })),
            Err(RequestError::Gone(error)) => Err(gone(error)),
            Err(RequestError::Refused(Refusal::Fenced(_) | Refusal::OutOfDate)) => {
                Err(over(attempt))
            }
            Err(RequestError::Refused(Refusal::Fault(detail))) => Err(bad_word(detail)),
            Err(RequestError::Refused(no)) => Err(write::explain(&self.app, no).await),
        }
    }

    /// Asks a question for an attempt that is at work.
    pub(super) async fn view<T: Send + 'static>(
        &self,
        attempt: Attempt,
        view: impl FnOnce(&State, &Live, skep_core::time::Time) -> Option<T> + Send + 'static,
    ) -> Result<Json<T>, Problem> {
        let asked = self.app.handle.query(move |state, now| {
            let live = state.attempt(attempt)?;
            (live.phase < Phase::Verifying).then(|| view(state, live, now))?
        });
        let seen = asked.await.map_err(gone)?;
        seen.map(Json).ok_or_else(|| over(attempt))
    }
}

impl Desk {
    fn forged(&mut self, attempt: Option<Attempt>) -> Seen {
        let news = self.told.len() < TOLD && self.told.insert(attempt);
        Seen::Forged(attempt, news)
    }
}

/// A token ends with its attempt.
fn over(attempt: Attempt) -> Problem {
    let detail = format!("attempt {attempt} is over, and its token with it");
    Problem::new(StatusCode::FORBIDDEN, "attempt_over", detail)
        .hint("end now: nothing that this attempt does counts any more")
}

pub(super) fn bad_word(detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_word", detail)
        .hint("nothing was recorded; say it shorter or otherwise")
}

pub(super) fn parse<T: DeserializeOwned>(
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Problem> {
    let body = body.map_err(write::unread)?;
    serde_json::from_slice(&body)
        .map_err(|error| bad_word(format!("this is not understood: {error}")))
}

async fn context(
    Shared(agents): Shared<Agents>,
    headers: HeaderMap,
) -> Result<Json<ContextDoc>, Problem> {
    let attempt = agents.speaker(&headers).await?;
    agents.view(attempt, ContextDoc::of).await
}

async fn memos(
    Shared(agents): Shared<Agents>,
    headers: HeaderMap,
) -> Result<Json<MemoList>, Problem> {
    let attempt = agents.speaker(&headers).await?;
    let view = |state: &State, _: &Live, _| Some(MemoList::of(state));
    agents.view(attempt, view).await
}

async fn checkpoint(
    Shared(agents): Shared<Agents>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<TakenDoc>, Problem> {
    let attempt = agents.speaker(&headers).await?;
    let input: CheckpointInput = parse(body)?;
    let word = input.read().map_err(bad_word)?;
    agents.take(attempt, word).await
}

async fn heartbeat(
    Shared(agents): Shared<Agents>,
    headers: HeaderMap,
) -> Result<Json<TakenDoc>, Problem> {
    let attempt = agents.speaker(&headers).await?;
    agents.take(attempt, Word::Heartbeat).await
}

async fn block(
    Shared(agents): Shared<Agents>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<TakenDoc>, Problem> {
    let attempt = agents.speaker(&headers).await?;
    let input: BlockInput = parse(body)?;
    let word = input.read().map_err(bad_word)?;
    agents.take(attempt, word).await
}

async fn memo(
    Shared(agents): Shared<Agents>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<TakenDoc>, Problem> {
    let attempt = agents.speaker(&headers).await?;
    let input: MemoInput = parse(body)?;
    agents.take(attempt, input.read()).await
}
