//! `skep salvage`: work that is on no branch, listed and brought back (W-12).

use super::{confirm, look};
use crate::{
    args::{Context, quoted},
    failure::{Exit, Failure},
    place::Place,
    show::{
        count, length,
        table::{Cell, cell, styled, table},
    },
    term::{self, Style},
};
use clap::Subcommand;
use skep_core::{id::{Oid, SwarmName}, state::State};
use skep_host::{
    command::command,
    git::{GitError, Salvage, names},
};
use skep_server::{
    api::{SCHEMA, SalvageDoc, SalvageList},
    nearest,
};

/// Without a verb: all saved work.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All saved work
    List,
    /// What a saved commit changes
    Show {
        /// The ref, or the part of it that names it: TASK/ATTEMPT
        reference: String,
    },
    /// Make a branch of saved work
    Restore {
        /// The ref, or the part of it that names it: TASK/ATTEMPT
        reference: String,
        /// The branch to make
        branch: String,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Forget saved work that the integration branch holds
    Drop {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

/// Saved work, and what it is compared with.
struct Shelf {
    place: Place,
    swarm: SwarmName,
    tip: Oid,
    all: Vec<Salvage>,
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Failure {
        let exit = match &error {
            GitError::Refused { .. } | GitError::CheckedOut { .. } => Exit::Usage,
            _ => Exit::Refused,
        };
        Failure::new(exit, error.chain())
    }
}

pub(crate) async fn run(ctx: &Context, args: Args) -> Result<Exit, Failure> {
    let place = Place::find(ctx)?;
    // The swarm's name is in the log, also while a keeper writes to it.
    let state: State = place.fold()?;
    let Some(swarm) = state.swarm() else {
        term::say("no plan has been run here, so nothing was saved\n");
        if ctx.json {
            term::print_json(&SalvageList { schema: SCHEMA, salvage: Vec::new() })?;
        }
        return Ok(Exit::Done);
    };
    let all = place.repo.salvage(&swarm.spec.name, &swarm.tip)?;
    let shelf = Shelf { place, swarm: swarm.spec.name.clone(), tip: swarm.tip.clone(), all };
    match args.verb.unwrap_or(Verb::List) {
        Verb::List => shelf.list(ctx),
        Verb::Show { reference } => shelf.show(&reference),
        Verb::Restore { reference, branch, dry_run } => shelf.restore(&reference, &branch, dry_run),
        Verb::Drop { dry_run } => shelf.drop_merged(ctx, dry_run),
    }
}

impl Shelf {
    fn find(&self, text: &str) -> Result<&Salvage, Failure> {
        let prefix = format!("{}{}/", names::SALVAGE, self.swarm);
        let short = |s: &'_ Salvage| s.reference.strip_prefix(&prefix).unwrap_or("").to_string();
        if let Some(found) = self.all.iter().find(|s| s.reference == text || short(s) == text) {
            return Ok(found);
        }
        let known: Vec<String> = self.all.iter().map(short).collect();
        let failure = Failure::usage(format!("nothing was saved as {}", quoted(text)));
        Err(match nearest(text, known.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure.hint("`skep salvage` lists what was saved"),
        })
    }

    fn list(&self, ctx: &Context) -> Result<Exit, Failure> {
        if ctx.json {
            let salvage = self.all.iter().map(SalvageDoc::of).collect();
            term::print_json(&SalvageList { schema: SCHEMA, salvage })?;
            return Ok(Exit::Done);
        }
        if self.all.is_empty() {
            term::print("nothing is saved\n")?;
            return Ok(Exit::Done);
        }
        let look = look(ctx);
        let row = |s: &Salvage| -> Vec<Cell> {
            let merged = if s.merged { ("merged", Style::Dim) } else { ("unmerged", Style::Care) };
            let age = length(look.now.0.saturating_sub(s.date.saturating_mul(1000)));
            vec![
                cell(format!("{}/{}", s.task, s.attempt)),
                styled(merged.0, merged.1),
                cell(s.file_count.to_string()),
                cell(format!("{age} ago")),
                cell(s.commit.short()),
            ]
        };
        let rows: Vec<Vec<Cell>> = self.all.iter().map(row).collect();
        let head = ["SAVED", "STATE", "FILES", "WHEN", "COMMIT"];
        term::print(&table(&head, &rows, look.width, look.color))?;
        Ok(Exit::Done)
    }

    fn show(&self, text: &str) -> Result<Exit, Failure> {
        let saved = self.find(text)?;
        let mut git = command("git", self.place.repo.root());
        git.args(["show", "--stat", "--patch", "--no-color", "--no-ext-diff", "--no-textconv"]);
        let output = git.arg(saved.commit.as_str()).output().map_err(|e| {
            Failure::new(Exit::Refused, "cannot start git").because(&e)
        })?;
        term::print(&term::escape_lines(&String::from_utf8_lossy(&output.stdout)))?;
        Ok(Exit::Done)
    }

    fn restore(&self, text: &str, branch: &str, dry_run: bool) -> Result<Exit, Failure> {
        let saved = self.find(text)?;
        let short = saved.commit.short();
        if dry_run {
            term::say(&format!("would make the branch {} at {short}\n", term::escape(branch)));
            return Ok(Exit::Done);
        }
        self.place.repo.restore(&saved.reference, branch)?;
        term::say(&format!("the branch {branch} is at {short}\n  git diff ...{branch}\n"));
        Ok(Exit::Done)
    }

    fn drop_merged(&self, ctx: &Context, dry_run: bool) -> Result<Exit, Failure> {
        let merged = self.all.iter().filter(|s| s.merged).count();
        let kept = self.all.len() - merged;
        if dry_run || merged == 0 {
            term::say(&format!("would forget {merged}, and keep {kept} that are not merged\n"));
            return Ok(Exit::Done);
        }
        confirm(ctx, &format!("Forget {merged} saved commits that the branch holds?"))?;
        let gone = self.place.repo.drop_merged(&self.swarm, &self.tip)?;
        term::say(&format!("forgot {}; kept {kept}\n", count(gone.len(), "saved commit")));
        Ok(Exit::Done)
    }
}
