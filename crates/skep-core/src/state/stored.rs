//! The state as a snapshot stores it: all facts, none of the indices over them.

use super::{Index, State};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names the fold that made a state: another source, another number. A state is only good for the fold it came
/// from, since a changed rule in `apply` would have led elsewhere.
pub const FOLD: u32 = match u32::from_str_radix(env!("SKEP_CORE_SOURCE"), 16) {
    Ok(number) => number,
    Err(_) => panic!("the build script gives a hexadecimal number"),
};

impl Serialize for State {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        State::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<State, D::Error> {
        let mut state = State::deserialize(from)?;
        state.index = Index::over(&state.tasks, state.live.values());
        Ok(state)
    }
}
