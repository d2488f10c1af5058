//! What `skep shim FOLDER` does, alone. Under the name `bare-shim` it does without namespaces.

use skep_host::{run::files::Containment, shim};
use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    let folder = args.nth(1).unwrap_or_default();
    let bare = Path::new(&name)
        .file_name()
        .is_some_and(|name| name == "bare-shim");
    shim::main_with(Path::new(&folder), bare.then_some(Containment::Subreaper))
}
