//! What a person sees of a bug in Skep: that it is one, and how to report it.

use crate::{failure::Exit, term};
use std::panic;

/// Replaces the panic message. The keeper's panics end its own thread; here, the whole program ends.
pub(crate) fn explain_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        term::say(&format!(
            "error: this is a bug in skep {version}{place}\n  cause: {}\n  hint: nothing that was \
             acknowledged is lost, and running attempts live on; please report this with the \
             output of `skep doctor`\n",
            term::escape(&text)
        ));
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|v| v != "0") {
            term::say(&format!("{}\n", std::backtrace::Backtrace::force_capture()));
        }
        std::process::exit(i32::from(Exit::Bug as u8));
    }));
}
