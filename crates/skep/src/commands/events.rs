//! `skep events`: what happened, from the log, and what happens.

use super::look;
use crate::{
    args::Context,
    failure::{Exit, Failure},
    place::{Place, now},
    show::{line, progress},
    signals::Signals,
    term,
};
use skep_core::{event::Record, state::State};
use skep_host::keeper;
use skep_server::api::EventDoc;
use std::ops::ControlFlow;

/// Prints every event after N; with --json as one object a line.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go on with what happens from now on
    #[arg(long, short)]
    follow: bool,
    /// Only events after this one
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    let look = look(ctx);
    let mut printer = Printer {
        json: ctx.json,
        color: look.color,
        width: look.width,
        after: args.after,
        state: State::default(),
    };
    if !place.client.is_there().await? {
        if args.follow {
            return Err(skep_server::client::ClientError::NoKeeper.into());
        }
        return from_log(&place, &mut printer);
    }
    // Text needs the state around each event, and so the events before.
    let first = if ctx.json { args.after } else { 0 };
    let mut events = place.client.events(first, args.follow).await?;
    let mut signals = Signals::listen()?;
    loop {
        tokio::select! {
            event = events.next() => match event? {
                Some(event) => printer.print(event)?,
                None if args.follow => {
                    return Err(Failure::new(Exit::NoKeeper, "the keeper has ended"));
                }
                None => return Ok(Exit::Done),
            },
            _ = signals.next() => return Ok(Exit::Interrupted),
        }
    }
}

fn from_log(place: &Place, printer: &mut Printer) -> Result<Exit, Failure> {
    if !place.has_log() {
        term::say("nothing has happened here yet\n");
        return Ok(Exit::Done);
    }
    let first = if printer.json { printer.after } else { 0 };
    let mut result = Ok(());
    keeper::records(&place.site, first, &mut |record| {
        result = printer.print(record.into());
        if result.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    result.map(|()| Exit::Done)
}

struct Printer {
    json: bool,
    color: bool,
    width: Option<usize>,
    after: u64,
    state: State,
}

impl Printer {
    fn print(&mut self, event: EventDoc) -> Result<(), Failure> {
        if self.json {
            let line = serde_json::to_string(&event).unwrap_or_default();
            return term::print(&format!("{line}\n"));
        }
        let record = Record::from(event);
        self.state.apply(&record);
        if record.seq <= self.after {
            return Ok(());
        }
        let since = self.state.swarm().map_or(now(), |s| s.since);
        let elapsed = record.at.since(since).0;
        let lines = line::lines(&record, &self.state);
        let text: String = lines
            .iter()
            .map(|l| progress::permanent(l, elapsed, self.width, self.color))
            .collect();
        if text.is_empty() {
            Ok(())
        } else {
            term::print(&text)
        }
    }
}
