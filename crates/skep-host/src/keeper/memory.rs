//! How much memory the machine could give to more processes, for scaling (S-1).
//!
//! The core decides; here is only looked: when something happens, at most so often, and on purpose only while
//! nothing but memory keeps workers from being added. A machine that does not say is no machine without memory.

use skep_core::{
    request::Observation,
    scale::{self, Mode},
    state::State,
    time::{Millis, Time},
};
use std::fs;

/// A look costs some tens of microseconds, and what is free changes by the second, not by the event.
const BETWEEN: Millis = Millis::secs(2);

/// When memory was last looked at.
#[derive(Debug, Default)]
pub(super) struct Watch {
    looked: Option<Time>,
}

impl Watch {
    /// Looks, if it is time and somebody wants to know.
    pub(super) fn look(&mut self, state: &State, now: Time) -> Option<Observation> {
        let wanted = state.scale().mode() != Mode::Manual;
        if !wanted || self.looked.is_some_and(|at| now.since(at) < BETWEEN) {
            return None;
        }
        self.looked = Some(now);
        available().map(|available| Observation::Memory { available })
    }

    /// When to look again although nothing else happens.
    pub(super) fn next(&self, state: &State, now: Time) -> Option<Time> {
        let waits = scale::waits_for_memory(state, now);
        waits.then(|| self.looked.map_or(now, |at| at + BETWEEN))
    }
}

/// What more processes could use, in bytes: of the machine, or of the group that this one is confined to.
fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| parse(&text));
    machine.into_iter().chain(confined()).min()
}

fn parse(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// What is left in a container whose memory is limited; none where it is not, or does not say.
fn confined() -> Option<u64> {
    let read = |name: &str| {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: S-1
    #[test]
    fn what_the_kernel_says_is_read_and_what_it_does_not_say_is_not_made_up() {
        let text =
            "MemTotal:  8000000 kB\nMemFree:  1 kB\nMemAvailable:    4096 kB\nBuffers: 1 kB\n";
        assert_eq!(parse(text), Some(4096 * 1024));
        for bad in [
            "",
            "MemAvailable:",
            "MemAvailable: many kB",
            "MemAvailable: 1 GB",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert!(available().is_none_or(|bytes| bytes > 0));
    }
}
