//! `skep top`: the swarm live on a terminal (U-4).
//!
//! [`view`] is a pure model: news and keys in, effects out; [`draw`] makes cells of it. [`feed`] reads the API's
//! documents, [`screen`] owns the terminal, and the loop here joins them. Nothing is read or drawn while nothing changes.

mod data;
mod draw;
mod feed;
mod keys;
mod pane;
mod screen;
mod view;

#[cfg(test)]
mod tests;

use crate::{
    failure::{Exit, Failure},
    place::{Place, now},
    signals::{Signals, Wish},
};
use crossterm::event::{self, Event};
use data::{Needs, News};
use feed::Feed;
use rustix::process::Signal;
use screen::Screen;
use skep_server::{api::CommandDoc, client::ClientError, unique_id};
use std::{io, thread, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use view::{Effect, View};

/// At most ten pictures a second.
const FRAME: Duration = Duration::from_millis(100);
/// Ages are shown in seconds.
const AGES: Duration = Duration::from_secs(1);
/// Documents on their way to the screen.
const QUEUE: usize = 32;

/// Shows the swarm until the person has seen enough.
pub(crate) async fn run(place: Place, color: bool) -> Result<Exit, Failure> {
    let unheard =
        |e: io::Error| Failure::new(Exit::Refused, "cannot listen for signals").because(&e);
    let mut signals = Signals::listen()?;
    let mut stops = signal(SignalKind::from_raw(Signal::TSTP.as_raw())).map_err(unheard)?;
    let mut continues = signal(SignalKind::from_raw(Signal::CONT.as_raw())).map_err(unheard)?;
    let mut screen = Screen::enter(color)?;
    let (sender, mut news) = mpsc::channel(QUEUE);
    let (want, needs) = watch::channel(Needs::default());
    let feed = Feed {
        place: place.clone(),
        needs,
        news: sender.clone(),
    };
    tokio::spawn(feed.run());
    let mut keys = keys();
    let mut view = View::new(now());
    let (mut dirty, mut drawn) = (true, None::<Instant>);
    loop {
        let due = drawn.map_or_else(Instant::now, |at| at + FRAME);
        if dirty && Instant::now() >= due {
            let picture = screen.terminal.draw(|frame| {
                draw::draw(&view, color, frame.area(), frame.buffer_mut());
            });
            if picture.is_err() {
                // The terminal is gone, and the person with it.
                return Ok(Exit::Terminated);
            }
            (dirty, drawn) = (false, Some(Instant::now()));
        }
        want.send_if_modified(|last| {
            let needs = view.needs();
            let news = *last != needs;
            *last = needs;
            news
        });
        let mut effect = None;
        tokio::select! {
            event = keys.recv() => match event {
                Some(Event::Key(key)) => {
                    effect = view.key(key, now());
                    dirty = true;
                }
                // The picture is drawn for the size that the terminal has then.
                Some(_) => dirty = true,
                None => return Ok(Exit::Terminated),
            },
            said = news.recv() => if let Some(said) = said {
                view.news(said, now());
                dirty = true;
            },
            wish = signals.next() => return Ok(match wish {
                Wish::Interrupt => Exit::Interrupted,
                Wish::Terminate => Exit::Terminated,
            }),
            _ = stops.recv() => effect = Some(Effect::Suspend),
            _ = continues.recv() => effect = Some(Effect::Redraw),
            () = sleep_until(due), if dirty => {}
            () = sleep(AGES), if !dirty && view.ages() => {
                view.now = now();
                dirty = true;
            }
        }
        let gone = |_: io::Error| Failure::whole(Exit::Terminated, "");
        match effect {
            None => {}
            Some(Effect::Leave) => return Ok(Exit::Done),
            Some(Effect::Suspend) => {
                screen.suspend().map_err(gone)?;
                dirty = true;
            }
            Some(Effect::Redraw) => {
                screen.resume().map_err(gone)?;
                dirty = true;
            }
            Some(Effect::Send(command, done)) => {
                view.say("…");
                tokio::spawn(act(place.clone(), vec![(command, done)], sender.clone()));
            }
            Some(Effect::Toggle(either)) => {
                view.say("…");
                tokio::spawn(act(place.clone(), either.to_vec(), sender.clone()));
            }
        }
    }
}

/// Sends a command, and tells what became of it; where it is so already, the next.
async fn act(place: Place, commands: Vec<(CommandDoc, String)>, news: mpsc::Sender<News>) {
    let mut told = Err(String::new());
    for (command, done) in commands {
        told = match place.client.command(&command, &unique_id()).await {
            Ok(_) => Ok(done),
            Err(ClientError::Refused(no)) if &*no.code == "nothing_to_do" => {
                told = Err(no.detail);
                continue;
            }
            Err(error) => Err(Failure::from(error).line()),
        };
        break;
    }
    // Nobody is left to be told when the screen is gone.
    let _ = news.send(News::Done(told)).await;
}

/// The person's keys, from a thread of their own that only ever waits for them.
fn keys() -> mpsc::UnboundedReceiver<Event> {
    let (sender, keys) = mpsc::unbounded_channel();
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    keys
}
