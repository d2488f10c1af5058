//! Every bound in one place, with its reason. None of these is a policy a user tunes (those are in
//! [`Policy`](crate::spec::Policy)); they keep a bad input or a long life from growing without end.

/// The most tasks a swarm holds. State is kept in memory; at about 2 KB a task this is 200 MB at worst.
pub const TASKS: usize = 100_000;
/// The most dependencies one task may name.
pub const DEPENDENCIES: usize = 1_000;
/// The longest text of a mission, brief or criterion, in bytes: it must fit a prompt.
pub const TEXT: usize = 64 * 1024;
/// The most workers a swarm may be given.
pub const WORKERS: u32 = 1_000;
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
/// How many folders of ended attempts are kept: more than a person looks back over.
pub const RUNS_KEPT: usize = 1_000;
/// How much disk the folders of ended attempts may take together; the newest are kept.
pub const RUNS_BYTES: u64 = 2 << 30;
