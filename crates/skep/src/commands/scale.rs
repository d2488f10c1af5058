//! `skep scale`: who decides how many workers there are (S-1).

use super::run::parse_workers;
use crate::{
    args::{Context, quoted},
    deeds::Deeds,
    failure::{Exit, Failure},
};
use skep_core::{limits, spec::Workers};
use skep_server::api::CommandDoc;

/// Sets how many workers there are; what works already is never stopped for it.
///
/// A number is kept as it is, bounds let the tasks decide within them, and auto within the policy's. `skep workers
/// add` and `remove` decide by hand from then on, until the next `skep scale`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// auto, a number, or MIN..MAX
    #[arg(value_name = "WORKERS")]
    to: String,
}

pub(crate) async fn run(ctx: &Context, args: &Args) -> Result<Exit, Failure> {
    let (command, done) = match read(&args.to)? {
        Some((min, max)) => {
            let (min, max) = (Some(min), Some(max));
            let done = match (min, max) {
                (Some(min), Some(max)) if min < max => {
                    format!("between {min} and {max} workers, as the tasks ask for")
                }
                _ => format!("{} from now on", workers(max.unwrap_or(0))),
            };
            (CommandDoc::Scale { min, max }, done)
        }
        None => {
            let auto = CommandDoc::Scale {
                min: None,
                max: None,
            };
            (auto, "as many workers as the tasks ask for".into())
        }
    };
    let mut deeds = Deeds::begin(ctx, false)?;
    let said = format!("{done}; those that are surplus leave once they are free");
    let result = deeds.act("swarm", &said, &command).await;
    deeds.end(result)
}

fn workers(n: u32) -> String {
    format!("{n} {}", if n == 1 { "worker" } else { "workers" })
}

/// The bounds; none: the policy's.
fn read(text: &str) -> Result<Option<(u32, u32)>, Failure> {
    let hint = "write auto, a number such as 4, or bounds such as 1..8";
    let bounds = match parse_workers(text) {
        Ok(Workers::Auto) => return Ok(None),
        Ok(Workers::Count(n)) => (n, n),
        Ok(Workers::Between { min, max }) => (min, max),
        Ok(Workers::PerRole(_)) | Err(_) => {
            let what = format!("{} is not a number of workers", quoted(text));
            return Err(Failure::usage(what).hint(hint));
        }
    };
    if bounds.1 < bounds.0 {
        let what = format!("{} asks for at most fewer than at least", quoted(text));
        return Err(Failure::usage(what).hint(hint));
    }
    if bounds.1 > limits::WORKERS {
        let what = format!(
            "{}: a swarm has at most {} workers",
            quoted(text),
            limits::WORKERS
        );
        return Err(Failure::usage(what).hint(hint));
    }
    Ok(Some(bounds))
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: U-1
    #[test]
    fn a_number_bounds_or_auto_are_read_and_all_else_is_refused() {
        assert_eq!(read("auto").unwrap(), None);
        assert_eq!(read("4").unwrap(), Some((4, 4)));
        assert_eq!(read("0").unwrap(), Some((0, 0)));
        assert_eq!(read("1..8").unwrap(), Some((1, 8)));
        for bad in [
            "",
            "-1",
            "8..1",
            "1..",
            "..3",
            "1...3",
            "backend:2",
            "many",
            "1..1001",
            "1001",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
