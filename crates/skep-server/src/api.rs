//! The documents that Skep sends and takes: what `--json` prints and what the HTTP API speaks.
//!
//! They are not the core's types: pure functions make them of a [`State`](skep_core::state::State), and
//! everything a person sees (CLI, dashboard, API) is made of these, so that none has a private truth.

mod alert;
mod ask;
mod attempt;
mod command;
mod concerns;
mod config;
mod conflict;
mod costs;
mod event;
mod input;
mod log;
mod metrics;
mod problem;
mod queue;
mod report;
mod reputation;
mod series;
mod sign_in;
mod stamp;
mod state;
mod status;
mod targets;
mod task;
mod timeline;
mod unattended;
mod why;
mod worker;

pub use alert::{AlertDoc, AlertList, DeliveryDoc, RouteDoc, SilenceDoc, TestInput};
pub use ask::{AskDoc, AskInput, AskList, HeardDoc};
pub use attempt::{
    BlockInput, CheckpointDoc, CheckpointInput, ContextDoc, MemoDoc, MemoInput, MemoList, TakenDoc,
    TimeDoc, WORD_BYTES, clean,
};
pub use command::{AnswerDoc, CommandDoc};
pub use concerns::{About, ConcernDoc, ConcernList, Gravity, RemedyDoc};
pub use config::ConfigDoc;
pub use conflict::{ConflictDoc, ConflictList, KeptDoc, SalvageDoc, SalvageList};
pub use costs::{BudgetDoc, By, CapDoc, CostRow, CostsDoc, PriceRow, PricesDoc, Refused};
pub use event::EventDoc;
pub use input::{CommandInput, CriterionInput, RelationsInput, TaskInput};
pub use log::{LogLine, LogPage};
pub use metrics::{Latencies, LatencyDoc, MetricsDoc, WasteDoc};
pub use problem::{PROBLEM_JSON, Problem, cannot_open, refusal};
pub use queue::{QueueDoc, QueuedDoc};
pub use report::{
    DoneDoc, LandedDoc, ReportDoc, ReportKind, ReportList, SalvageSum, SpendingDoc, StoredDoc,
    TroubleDoc,
};
pub use reputation::{ProviderDoc, RecordDoc, ReputationDoc};
pub use series::{LatencyColumns, SeriesDoc};
pub use sign_in::{SignInDoc, SignedOutDoc};
pub use stamp::Stamp;
pub use state::{DecisionDoc, OperationalDoc, StateDoc};
pub use status::{Status, TaskCounts, WaveDoc};
pub use targets::{TargetDoc, TargetsDoc};
pub use task::{FailureDoc, PastDoc, ReceiptDoc, StepDoc, TaskDetail, TaskDoc, TaskList, UsageDoc};
pub use timeline::{AttemptDetail, AttemptDoc, AttemptList, EdgeDoc, GraphDoc, NodeDoc};
pub use unattended::Unattended;
pub use why::WhyDoc;
pub use worker::{Facts, Live, WorkerDoc, WorkerList, measured};

/// The version of every document here; a document that changes its meaning gets the next number.
pub const SCHEMA: u32 = 1;
