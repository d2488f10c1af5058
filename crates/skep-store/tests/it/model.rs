//! Any sequence of calls gives the same on SQLite as in memory, across restarts and kills.

use crate::support::{Dir, copy_files, entries};
use proptest::prelude::*;
use skep_store::{
    AppendError, LoadError, Log, MemoryLog, OpenMode, Snapshot, conformance::collect,
};

#[derive(Clone, Debug)]
enum Step {
    Append { off: i8, count: u64 },
    Snapshot { seq: u64, size: usize },
    Load { after: u64 },
    Latest,
    Restart,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (prop_oneof![9 => Just(0), 1 => -2..=2i8], 0..40u64)
            .prop_map(|(off, count)| Step::Append { off, count }),
        2 => (0..200u64, 0..9000usize).prop_map(|(seq, size)| Step::Snapshot { seq, size }),
        2 => (0..300u64).prop_map(|after| Step::Load { after }),
        1 => Just(Step::Latest),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ]
}

/// A result that can be compared.
fn plain<T>(result: Result<T, AppendError>) -> Result<T, String> {
    result.map_err(|e| e.to_string())
}

fn plain_load<T>(result: Result<T, LoadError>) -> Result<T, String> {
    result.map_err(|e| e.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    // proves: T-1, L-10
    #[test]
    fn sqlite_does_as_memory_does(steps in prop::collection::vec(step(), 1..40)) {
        let mut dir = Dir::new();
        let mut model = MemoryLog::new();
        let mut log = dir.open(OpenMode::Create).unwrap();
        for step in steps {
            match step {
                Step::Append { off, count } => {
                    let at = model.head().saturating_add_signed(off.into());
                    let new = entries(at + 1, at + count);
                    prop_assert_eq!(plain(log.append(at, &new)), plain(model.append(at, &new)));
                }
                Step::Snapshot { seq, size } => {
                    let snapshot = Snapshot { seq, format: 1, body: vec![7; size] };
                    prop_assert_eq!(
                        plain(log.save_snapshot(&snapshot)),
                        plain(model.save_snapshot(&snapshot))
                    );
                }
                Step::Load { after } => prop_assert_eq!(
                    plain_load(collect(&mut log, after)),
                    plain_load(collect(&mut model, after))
                ),
                Step::Latest => prop_assert_eq!(
                    plain_load(log.latest_snapshot()),
                    plain_load(model.latest_snapshot())
                ),
                Step::Restart => {
                    log.close().unwrap();
                    log = dir.open(OpenMode::Existing).unwrap();
                }
                Step::Kill => {
                    let after = Dir::new();
                    copy_files(&dir.db(), &after.db());
                    drop(log);
                    dir = after;
                    log = dir.open(OpenMode::Existing).unwrap();
                }
            }
            prop_assert_eq!(log.head(), model.head());
        }
        prop_assert_eq!(collect(&mut log, 0).unwrap(), collect(&mut model, 0).unwrap());
        prop_assert_eq!(log.check(), []);
    }
}
