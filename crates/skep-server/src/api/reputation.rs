//! How workers, agents and models do (G-6), and how the providers stand (S-6).

use super::{SCHEMA, Stamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skep_core::{
    id::WorkerId,
    reputation::{Breach, Record, Subject},
    state::State,
    time::Time,
};

/// One worker, agent or model. What is not known is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordDoc {
    /// `worker`, `agent` or `model`.
    pub what: String,
    /// Its name.
    pub name: String,
    /// Attempts that were accepted.
    pub succeeded: u64,
    /// Attempts that were not, for a reason of their own.
    pub failed: u64,
    /// How often the last ones were accepted, in percent.
    pub success_percent: Option<u32>,
    /// How long half of the last ones took at most, in milliseconds.
    pub p50_ms: Option<u64>,
    /// How long nineteen in twenty of them took at most.
    pub p95_ms: Option<u64>,
    /// What an accepted task cost, in US dollars, with the attempts that were not accepted.
    pub usd_per_accepted: Option<f64>,
    /// What it falls short of, if it does: `success`, `slow` or `cost`.
    pub breach: Option<String>,
}

impl RecordDoc {
    /// A worker's, once there is one.
    pub(super) fn of_worker(state: &State, worker: WorkerId) -> Option<RecordDoc> {
        let subject = Subject::Worker(worker.to_string());
        let record = state.reputation(&subject.key())?;
        Some(RecordDoc::of(subject, record))
    }

    fn of(subject: Subject, record: &Record) -> RecordDoc {
        let (what, name) = match subject {
            Subject::Worker(name) => ("worker", name),
            Subject::Agent(name) => ("agent", name),
            Subject::Model(name) => ("model", name),
        };
        let breach = record.breached().map(|breach| match breach {
            Breach::Success => "success",
            Breach::Slow => "slow",
            Breach::Cost => "cost",
        });
        RecordDoc {
            what: what.into(),
            name,
            succeeded: record.succeeded,
            failed: record.failed,
            success_percent: record.success_percent(),
            p50_ms: record.took(50).map(|took| took.0),
            p95_ms: record.took(95).map(|took| took.0),
            usd_per_accepted: record.usd_per_success().map(|usd| usd.dollars()),
            breach: breach.map(Into::into),
        }
    }
}

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderDoc {
    /// Its name.
    pub name: String,
    /// `closed` (all is well), `open` (it is left alone) or `half_open` (one attempt may try it).
    pub state: String,
    /// Attempts that it serves now.
    pub running: u32,
    /// Why it is left alone.
    pub reason: Option<String>,
    /// Until when.
    #[schemars(with = "Option<String>")]
    pub until: Option<Stamp>,
    /// The attempt that tries it.
    pub probe: Option<u64>,
}

/// All of them. `GET /api/v1/reputation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReputationDoc {
    /// The document's version.
    pub schema: u32,
    /// Workers, agents and models.
    pub records: Vec<RecordDoc>,
    /// Who serves them.
    pub providers: Vec<ProviderDoc>,
}

impl ReputationDoc {
    /// The view of a state.
    #[must_use]
    pub fn of(state: &State, now: Time) -> ReputationDoc {
        let records = state.reputations().all();
        let providers = state.providers().iter().map(|(name, provider)| {
            let parked = provider.parked.as_ref();
            let standing = match parked {
                None => "closed",
                Some(parked) if now < parked.until => "open",
                Some(_) => "half_open",
            };
            ProviderDoc {
                name: name.clone(),
                state: standing.into(),
                running: provider.running,
                reason: parked.map(|parked| parked.reason.clone()),
                until: parked.map(|parked| Stamp(parked.until)),
                probe: parked.and_then(|parked| parked.probe).map(|probe| probe.0),
            }
        });
        ReputationDoc {
            schema: SCHEMA,
            records: records
                .map(|(subject, record)| RecordDoc::of(subject, record))
                .collect(),
            providers: providers.collect(),
        }
    }
}
