//! What is expected of an end, and what is said if it is another one.

use crate::driver::Run;
use skep_agents::{AgentEnd, Before, ErrorKind, Seen, Until};
use skep_core::{attempt::Outcome, time::Millis};

/// How much of what an agent printed is shown with a failure.
const SHOWN: usize = 6000;

/// An end.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    outcome: Option<Outcome>,
    kind: Option<ErrorKind>,
    until: Option<Millis>,
    or_stale: bool,
}

/// It says that it is done.
pub(crate) fn claims() -> Expect {
    Expect {
        outcome: None,
        kind: None,
        until: None,
        or_stale: false,
    }
}

/// It ends like this, for no reason that has a kind.
pub(crate) fn ends(outcome: Outcome) -> Expect {
    Expect {
        outcome: Some(outcome),
        ..claims()
    }
}

/// It fails like this.
pub(crate) fn fails(outcome: Outcome, kind: ErrorKind) -> Expect {
    Expect {
        kind: Some(kind),
        ..ends(outcome)
    }
}

/// Nothing came, and it was ended.
pub(crate) fn stale() -> Expect {
    ends(Outcome::Stale)
}

impl Expect {
    /// The limit is lifted after this time.
    pub(crate) fn until(mut self, wait: Millis) -> Expect {
        self.until = Some(wait);
        self
    }

    /// Where a failure is expected, that it got silent will do.
    pub(crate) fn or_stale(mut self) -> Expect {
        self.or_stale = self.outcome.is_some();
        self
    }

    fn is(&self, end: &AgentEnd) -> bool {
        match end {
            AgentEnd::Claims { .. } => self.outcome.is_none(),
            AgentEnd::Ended {
                outcome,
                kind,
                until,
                ..
            } => {
                let as_said = self.outcome == Some(*outcome) && self.kind == *kind;
                let lifted = self.until.is_none_or(|w| *until == Some(Until::After(w)));
                (as_said && lifted) || (self.or_stale && *outcome == Outcome::Stale)
            }
        }
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn expect(&self, expect: Expect) {
        assert!(expect.is(&self.end), "expected {expect:?}\n{}", self.told());
    }

    #[track_caller]
    pub(crate) fn check(&self, holds: bool, what: &str) {
        assert!(holds, "expected: {what}\n{}", self.told());
    }

    pub(crate) fn claims(&self) -> bool {
        matches!(self.end, AgentEnd::Claims { .. })
    }

    /// Everything that is known of the run: it may not fail so again.
    fn told(&self) -> String {
        let seen = self.seen.iter();
        let seen = seen.filter(|seen| !matches!(seen, Seen::Progress | Seen::Writing));
        let seen: Vec<_> = seen.map(|seen| format!("  {seen:?}")).collect();
        let from = self
            .printed
            .floor_char_boundary(self.printed.len().saturating_sub(SHOWN));
        format!(
            "{:?}, {:?}, left {:?}\nused {:?}\nrequests {:#?}\nseen:\n{}\nstandard error:\n{}\nprinted, at its end:\n{}",
            self.end,
            self.exit,
            self.left,
            self.summary.tokens(Before::Nothing),
            self.asked,
            seen.join("\n"),
            self.aside,
            &self.printed[from..],
        )
    }
}
