//! What `skep shim FOLDER`, `skep pane [FOLDER]` and `skep leash …` do, alone. Under the name `bare-shim` it does without
//! namespaces; as `… connect SOCKET` it is an agent that only shows that it runs.

use skep_host::{command, pane, run::files::Containment, shim};
use std::{os::unix::net::UnixStream, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    let verb = args.next().unwrap_or_default();
    if verb == "leash" {
        return command::leash(&args.collect::<Vec<_>>());
    }
    let place = args.next();
    if verb == "pane" {
        return pane::main(place.as_deref().map(Path::new));
    }
    let place = place.unwrap_or_default();
    if verb == "connect" {
        return ExitCode::from(u8::from(UnixStream::connect(place).is_err()));
    }
    let bare = Path::new(&name)
        .file_name()
        .is_some_and(|name| name == "bare-shim");
    shim::main_with(Path::new(&place), bare.then_some(Containment::Subreaper))
}
