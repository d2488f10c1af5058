//! One table of `[hooks]`: a command of the user's at set moments (U-11).

use super::{Decoder, Field, nowhere};
use skep_core::{
    spec::{HookSpec, Moment, OnFail, Step},
    time::Millis,
};
use std::collections::BTreeMap;

/// How many hooks there may be: each costs a process at its moments.
const MOST: usize = 32;

impl Decoder {
    pub(super) fn hooks(&mut self, field: &Field<'_>) -> Option<BTreeMap<String, HookSpec>> {
        let hooks = self.named(field, "[hooks.NAME] with keys below it", true, Self::hook)?;
        if hooks.len() > MOST {
            let message = format!("there are {} hooks; {MOST} is the most", hooks.len());
            let help = "let one command do what several do at the same moment";
            return self.bad("plan::too_many", field, message, help);
        }
        Some(hooks)
    }

    fn hook(&mut self, field: &Field<'_>) -> Option<HookSpec> {
        const MOMENTS: &str = "on = \"after_attempt\"";
        let example = "a table such as { on = \"failed\", command = [\"notify-send\", \"Skep\"] }";
        let mut table = self.table(field, "a hook", example)?;
        let words = Moment::ALL.map(|moment| (moment.word(), moment));
        let on = table.need(self, "on", MOMENTS, |d, f| {
            let mut on: Vec<Moment> = d.list(f, "moments", |d, f| d.choice(f, &words))?;
            on.sort_unstable();
            on.dedup();
            if on.is_empty() {
                let message = "`on` names no moment".to_string();
                let help = format!("write one, such as {MOMENTS}");
                return d.bad("plan::empty", f, message, help);
            }
            Some(on)
        });
        let example = "command = [\"./scripts/on-end\"]";
        let command = table.need(self, "command", example, |d, f| {
            let words = d.words(f)?;
            if words.first().is_none_or(String::is_empty) || words.iter().any(|w| w.contains('\0')) {
                let message = "`command` is no program with arguments".to_string();
                let help = "write program and arguments as a list; for a shell line, [\"sh\", \"-c\", \"…\"]";
                return d.bad("plan::bad_value", f, message, help);
            }
            Some(words)
        });
        let timeout = table.take(self, "timeout", |d, f| {
            let length = d.duration(f)?;
            if length == Millis(0) || length > HookSpec::LONGEST {
                let message = format!(
                    "`timeout` is {length}; it must be more than 0s and at most {}",
                    HookSpec::LONGEST
                );
                let help = "what takes longer is for `setup`, `check` or a task";
                return d.bad("plan::bad_number", f, message, help);
            }
            Some(length)
        });
        let choices = [OnFail::Refuse, OnFail::Warn].map(|one| (one.word(), one));
        let on_fail = table.take(self, "on_fail", |d, f| d.choice(f, &choices));
        table.finish(self, nowhere);
        let hook = HookSpec {
            on: on?,
            command: command?,
            timeout: timeout.unwrap_or(HookSpec::TIMEOUT),
            on_fail: on_fail.unwrap_or_default(),
        };
        if on_fail == Some(OnFail::Refuse) && !hook.on.iter().any(|moment| moment.may_refuse()) {
            let name = match field.path.last() {
                Some(Step::Name(name)) => name.as_str(),
                _ => "it",
            };
            let message =
                format!("the hook {name} can refuse nothing: what it is told of has happened");
            let help = "leave `on_fail` out, or run it on = \"before_attempt\" or \"before_merge\"";
            return self.bad("plan::bad_value", field, message, help);
        }
        Some(hook)
    }
}
