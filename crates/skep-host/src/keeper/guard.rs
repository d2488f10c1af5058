//! The last door before the log: what agents and programs say comes in here, and their secrets stay outside (T-2).
//!
//! A shim has taken out what it knows. This takes out what the keeper's own environment holds and what has the shape
//! of a secret, of everything that was observed: reports, words by token, questions, reasons. What a person writes
//! (a plan, an answer) stays as it is: it is to be done, and to reach the agent.

use skep_agents::redact::Secrets;
use skep_core::{
    alert::post::Posted,
    ask::Question,
    attempt::{Report, Said, Saved, Step},
    request::Observation,
    word::Word,
};

/// What the keeper's environment says is secret.
pub(super) fn secrets(env: &[(String, String)]) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add_variables(
        env.iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    secrets
}

/// Takes the secrets out of every text that an observation brings. Names of files stay: work is found by them.
pub(super) fn clean(secrets: &Secrets, seen: &mut Observation) {
    match seen {
        Observation::WorkerFailed { reason, .. }
        | Observation::StartFailed { reason, .. }
        | Observation::MergeFailed { reason, .. }
        | Observation::TargetRefused { reason, .. }
        | Observation::Noticed { text: reason, .. }
        | Observation::Checked { output: reason, .. } => secrets.clean_mut(reason),
        Observation::Lost { reason, saved, .. } => {
            secrets.clean_mut(reason);
            of_saved(secrets, saved);
        }
        Observation::Ended { report, .. } => of_report(secrets, report),
        Observation::Asks { open, .. } => {
            for question in open {
                of_question(secrets, question);
            }
        }
        Observation::Word { word, .. } => of_word(secrets, word),
        Observation::HookRan { ran } => {
            if let Some(text) = &mut ran.failed {
                secrets.clean_mut(text);
            }
        }
        Observation::Posted {
            posted: Posted::Failed { reason, .. },
            ..
        } => secrets.clean_mut(reason),
        Observation::Read { seen } => {
            for session in seen
                .iter_mut()
                .filter_map(|(_, read)| read.session.as_mut())
            {
                secrets.clean_mut(session);
            }
        }
        // Numbers, commits and names.
        Observation::WorkerReady { .. }
        | Observation::WorkerGone { .. }
        | Observation::Started { .. }
        | Observation::AgentEnded { .. }
        | Observation::Adopted { .. }
        | Observation::Vitals { .. }
        | Observation::Told { .. }
        | Observation::Silent { .. }
        | Observation::Built { .. }
        | Observation::Landed { .. }
        | Observation::BaseMoved { .. }
        | Observation::Forecast { .. }
        | Observation::Memory { .. }
        | Observation::Posted { .. }
        | Observation::Restarted
        | Observation::Disk { .. }
        | Observation::TargetLanded { .. } => {}
    }
}

/// Takes the secrets out of what an agent says by its token.
pub(super) fn of_word(secrets: &Secrets, word: &mut Word) {
    match word {
        Word::Checkpoint { text, .. } | Word::Block { reason: text, .. } => {
            secrets.clean_mut(text);
        }
        Word::Ask { text, options } => {
            secrets.clean_mut(text);
            options.iter_mut().for_each(|text| secrets.clean_mut(text));
        }
        Word::Memo { key, value, source } => {
            for text in [key, value, source] {
                secrets.clean_mut(text);
            }
        }
        Word::Heartbeat | Word::Close { .. } => {}
    }
}

fn of_question(secrets: &Secrets, question: &mut Question) {
    secrets.clean_mut(&mut question.text);
    for text in question.tool.iter_mut().chain(&mut question.options) {
        secrets.clean_mut(text);
    }
}

fn of_report(secrets: &Secrets, report: &mut Report) {
    let steps = report.agent.iter_mut().chain(&mut report.setup_failed);
    for step in steps.chain(&mut report.checks) {
        of_step(secrets, step);
    }
    of_saved(secrets, &mut report.saved);
    if let Some(why) = &mut report.no_op {
        secrets.clean_mut(why);
    }
    match &mut report.said {
        Some(Said::Done { text } | Said::Failed { text, .. }) => secrets.clean_mut(text),
        None => {}
    }
}

fn of_step(secrets: &Secrets, step: &mut Step) {
    secrets.clean_mut(&mut step.tail);
    if let skep_core::attempt::End::NotStarted(why) = &mut step.end {
        secrets.clean_mut(why);
    }
}

fn of_saved(secrets: &Secrets, saved: &mut Saved) {
    if let Saved::Failed(why) = saved {
        secrets.clean_mut(why);
    }
}
