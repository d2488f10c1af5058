//! What a verb that changes something did: said to people as it is done, and one document for programs (U-1).

use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::Place,
    term,
};
use serde::Serialize;
use skep_server::api::{AnswerDoc, CommandDoc, SCHEMA};

/// Collects what is done.
pub(crate) struct Deeds {
    pub(crate) place: Place,
    pub(crate) dry_run: bool,
    json: bool,
    done: Vec<Deed>,
}

#[derive(Debug, Serialize)]
struct Deed {
    /// A task, a worker, a key, or `swarm`.
    about: String,
    /// As a person is told.
    said: String,
    /// False: it was so already, or nothing was to be changed.
    changed: bool,
    /// The log's last sequence number with its effects.
    seq: Option<u64>,
    /// Workers that it made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    workers: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Document {
    schema: u32,
    dry_run: bool,
    done: Vec<Deed>,
}

impl Deeds {
    /// Finds the place where something is to be done.
    pub(crate) fn begin(ctx: &Context, dry_run: bool) -> Result<Deeds, Failure> {
        Ok(Deeds {
            place: Place::find(ctx)?,
            dry_run,
            json: ctx.json,
            done: Vec::new(),
        })
    }

    /// Sends a command, and says `said` of it.
    pub(crate) async fn act(
        &mut self,
        about: &str,
        said: &str,
        command: &CommandDoc,
    ) -> Result<(), Failure> {
        let answer = self.place.command(command).await?;
        self.note(about, said, answer.as_ref());
        Ok(())
    }

    /// Notes what was done; without an answer, it was so already, and that was said.
    pub(crate) fn note(&mut self, about: &str, said: &str, answer: Option<&AnswerDoc>) {
        if answer.is_some() {
            term::say(&format!("{}\n", term::escape(said)));
        }
        self.done.push(Deed {
            about: about.into(),
            said: said.into(),
            changed: answer.is_some_and(|answer| !answer.repeated),
            seq: answer.map(|answer| answer.seq),
            workers: answer.map_or_else(Vec::new, |answer| answer.workers.clone()),
        });
    }

    /// Says what would be done, or that there is nothing to do.
    pub(crate) fn only_say(&mut self, about: &str, said: &str) {
        self.say(about, said, false);
    }

    /// Says what was done without a command.
    pub(crate) fn did(&mut self, about: &str, said: &str) {
        self.say(about, said, true);
    }

    fn say(&mut self, about: &str, said: &str, changed: bool) {
        term::say(&format!("{}\n", term::escape(said)));
        self.done.push(Deed {
            about: about.into(),
            said: said.into(),
            changed,
            seq: None,
            workers: Vec::new(),
        });
    }

    /// The end. What was done before something failed was done all the same.
    pub(crate) fn end(self, result: Result<(), Failure>) -> Result<Exit, Failure> {
        if self.json && (result.is_ok() || !self.done.is_empty()) {
            term::print_json(&Document {
                schema: SCHEMA,
                dry_run: self.dry_run,
                done: self.done,
            })?;
        }
        result.map(|()| Exit::Done)
    }
}
