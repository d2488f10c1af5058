//! Every bound in one place, with its reason. None of these is a policy a user tunes (those are in
//! [`Policy`](crate::spec::Policy)); they keep a bad input or a long life from growing without end.

use crate::time::Millis;

/// The most tasks a swarm holds. State is kept in memory; at about 2 KB a task this is 200 MB at worst.
pub const TASKS: usize = 100_000;
/// The most dependencies one task may name.
pub const DEPENDENCIES: usize = 1_000;
/// The longest text of a mission, brief or criterion, in bytes: it must fit a prompt.
pub const TEXT: usize = 64 * 1024;
/// The most workers a swarm may be given.
pub const WORKERS: u32 = 1_000;
/// The longest length of time that a person can ask for: ten years stand for ever, and any two of them can be added.
pub const LENGTH: Millis = Millis::mins(10 * 365 * 24 * 60);
/// How many idempotency keys are remembered. At one command a second this is over two hours, far longer
/// than any client retries.
pub const KEYS: usize = 10_000;
/// How much of a failed command's output is kept with the failure, in bytes: enough for the end of a
/// compiler's or test's report, small enough for a log event.
pub const OUTPUT_TAIL: usize = 8 * 1024;
/// Of how many kinds of attempts the usual length is remembered; a plan rarely has ten categories.
pub const PACES: usize = 256;
/// Of how many days the spending is remembered: more than a year, for a report over one.
pub const DAYS: usize = 400;
/// How many fix tasks one task may lead to before a person must look.
pub const FIXES: u32 = 3;
/// How many collisions are remembered at once (W-9): more than a person reads, and each costs an event.
pub const COLLISIONS: usize = 100;
/// Of how many files in one collision it is told; the others are counted.
pub const COLLISION_FILES: usize = 10;
/// How many works in flight, and as many results, one look takes in: each costs a walk over a worktree.
pub const SIGHTS: usize = 32;
/// How many pairs one look merges: at some 10 ms each, two thirds of a second. The others have their turn at the
/// next look, since what was merged once is not merged again.
pub const FORECAST_PAIRS: usize = 64;
/// How many hooks are owed at once: a user's command that hangs must not make the state grow without end.
pub const HOOKS_OWED: usize = 1_000;
/// How many folders of ended attempts are kept: more than a person looks back over.
pub const RUNS_KEPT: usize = 1_000;
/// How much disk the folders of ended attempts may take together; the newest are kept.
pub const RUNS_BYTES: u64 = 2 << 30;
/// The longest text of a word that an agent says of itself, in bytes: a screenful, for a log that keeps it for ever.
pub const WORD: usize = 4 * 1024;
/// The longest key of a memo, in bytes: a name, not a text.
pub const MEMO_KEY: usize = 128;
/// How many memos are kept for a plan: at most some 8 MB of the state.
pub const MEMOS: usize = 1_000;
/// How many of them one attempt may record: a tenth, so that none alone takes the others' room.
pub const MEMOS_EACH: usize = 100;
/// How often one attempt may report progress: once every four seconds for its longest hour.
pub const CHECKPOINTS: u32 = 1_000;
/// How many questions one attempt may ask people by its token: far more than anybody answers.
pub const HELD_ASKS: u32 = 100;
/// How many options a question may offer: a person chooses among a few.
pub const ASK_OPTIONS: usize = 16;
/// The longest of them, in bytes: a line or two.
pub const ASK_OPTION: usize = 256;
/// Of how many providers something is remembered; a plan rarely has five.
pub const PROVIDERS: usize = 64;
/// How many failures of one provider are remembered: the most that a circuit breaker can be set to count.
pub const PROVIDER_FAILURES: usize = 100;
/// How often a provider may refuse a task while it serves others before that is the task's own trouble: a request
/// that is too large for any limit is refused for ever. Far more than bad luck in a storm.
pub const SPARED: u32 = 12;
/// Of how many workers, agents, models and kinds of task with them the record is kept. Those that were used least
/// recently go first.
pub const REPUTATIONS: usize = 1_024;
/// Of how many models the spending and the latencies are kept apart (U-5); the others are one.
pub const NAMES: usize = 32;
/// Of how many workers the latencies are kept. Those that were not seen for longest go first.
pub const WORKERS_TIMED: usize = 128;
/// How many attempts of each are remembered one by one: enough for a 95th percentile, few enough to follow a change.
pub const RECENT: usize = 40;
/// How many alerts are open at once: more than a person acts on. What else goes wrong is raised as others end.
pub const ALERTS: usize = 100;
/// How many conditions are watched at once, raised or not.
pub const SPELLS: usize = 1_000;
/// How many crashes are remembered for alerts: the most that can be asked to count.
pub const COUNTED: usize = 100;
/// How many letters wait at once: some hours without a network. The oldest is given up for a new one.
pub const LETTERS: usize = 500;
/// How many letters are remembered that wait no more.
pub const LETTERS_KEPT: usize = 50;
/// How many letters go into one message.
pub const DIGEST: usize = 50;
/// How many ways to people a plan can name.
pub const ROUTES: usize = 32;
/// The longest that alerts of a rule are silenced: longer is turning it off.
pub const SILENCE: Millis = Millis::mins(30 * 24 * 60);
