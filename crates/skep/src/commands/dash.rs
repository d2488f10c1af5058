//! `skep dash`: lets a browser in.

use crate::{
    args::Context,
    deeds::Deeds,
    failure::{Exit, Failure},
    place::Place,
    term,
};
use skep_host::{command::command, owner::Owner};
use std::{
    fs::{self, OpenOptions},
    io::{self, IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    process::Stdio,
};

/// What opens a page on a desktop.
const OPENER: &str = "xdg-open";

/// Prints a link that signs one browser in, once and within two minutes, and opens it where there is a display.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only print the link
    #[arg(long)]
    no_open: bool,
    /// First put another token in place of .skep/token: it ends every session
    #[arg(long)]
    new_token: bool,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    if args.new_token {
        if !place.site.dir().is_dir() {
            return Err(Failure::usage("there is no swarm here, and so no token")
                .hint("`skep up` makes one"));
        }
        Owner::renew(&place.site).map_err(|error| {
            Failure::new(Exit::Refused, "there is no new token")
                .because(&error)
                .hint(error.hint())
        })?;
        let said = "the token is another one now; every session has ended";
        if !place.client.is_there().await? {
            let mut deeds = Deeds::begin(ctx, false)?;
            deeds.did("token", said);
            return deeds.end(Ok(()));
        }
        term::say(&format!("{said}\n"));
    }
    let link = place.client.sign_in().await?;
    if ctx.json {
        let document = serde_json::to_string(&link).unwrap_or_default();
        term::print(&format!("{document}\n"))?;
        return Ok(Exit::Done);
    }
    term::print(&format!("{}\n", link.url))?;
    let minutes = link.works_ms / 60_000;
    term::say(&format!("the link works once, within {minutes} minutes\n"));
    if !args.no_open && io::stdout().is_terminal() && has_display() {
        // The link is printed, so a browser that cannot be opened is no failure.
        let _ = open(&place, &link.url);
    }
    Ok(Exit::Done)
}

fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// Opens the link by way of a file that only this user can read: arguments are for everybody on the machine to see,
/// and the link lets its first user in.
fn open(place: &Place, url: &str) -> io::Result<()> {
    let page: PathBuf = place.site.sign_in_page();
    let _ = fs::remove_file(&page);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&page)?;
    // Of our own making, and so without anything that would have to be escaped.
    writeln!(
        file,
        "<!doctype html><meta charset=\"utf-8\"><title>Skep</title>\
         <meta http-equiv=\"refresh\" content=\"0; url={url}\"><p><a href=\"{url}\">Sign in</a></p>"
    )?;
    let mut opener = command(OPENER, place.repo.root());
    opener
        .arg(&page)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    opener.spawn().map(drop)
}
