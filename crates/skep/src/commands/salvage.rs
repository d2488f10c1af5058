//! `skep salvage`: work that is on no branch, listed and brought back (W-12).

use super::{confirm, look};
use crate::{
    args::{Context, quoted},
    deeds::Deeds,
    failure::{Exit, Failure},
    place::Place,
    show::{
        count, length,
        table::{Cell, cell, styled, table},
    },
    term::{self, Style},
};
use clap::Subcommand;
use skep_core::{
    id::{Oid, TaskId},
    state::State,
    task::TaskState,
};
use skep_host::{
    command::command,
    git::{GitError, Salvage, set_aside_in},
};
use skep_server::{
    api::{KeptDoc, SCHEMA, SalvageDoc, SalvageList},
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
    /// Forget saved work: all that the integration branch holds, or what is named
    Drop(DropArgs),
}

/// What is to be forgotten.
#[derive(Debug, clap::Args)]
struct DropArgs {
    /// Refs, or the parts of them that name them: TASK/ATTEMPT
    #[arg(value_name = "REFERENCE")]
    references: Vec<String>,
    /// Also what is not merged: that work is then nowhere else
    #[arg(long)]
    force: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// What `drop` did, for programs.
#[derive(Debug, serde::Serialize)]
struct Dropped {
    schema: u32,
    dry_run: bool,
    dropped: Vec<String>,
    kept: usize,
}

/// Saved work, and what it is compared with.
struct Shelf {
    place: Place,
    all: Vec<Salvage>,
    /// Commits that the plan still needs, with the task that needs each.
    needed: Vec<(Oid, TaskId)>,
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
            term::print_json(&SalvageList {
                schema: SCHEMA,
                salvage: Vec::new(),
                kept: Vec::new(),
            })?;
        }
        return Ok(Exit::Done);
    };
    let all = place.repo.salvage(&swarm.spec.name, &swarm.tip)?;
    let shelf = Shelf {
        place,
        all,
        needed: needed(&state),
    };
    match args.verb.unwrap_or(Verb::List) {
        Verb::List => shelf.list(ctx),
        Verb::Show { reference } => shelf.show(&reference),
        Verb::Restore {
            reference,
            branch,
            dry_run,
        } => shelf.restore(ctx, &reference, &branch, dry_run),
        Verb::Drop(args) => shelf.forget(ctx, &args),
    }
}

impl Shelf {
    fn find(&self, text: &str) -> Result<&Salvage, Failure> {
        if let Some(found) = self
            .all
            .iter()
            .find(|s| s.reference == text || name(s) == text)
        {
            return Ok(found);
        }
        let known: Vec<String> = self.all.iter().map(name).collect();
        let failure = Failure::usage(format!("nothing was saved as {}", quoted(text)));
        Err(match nearest(text, known.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure.hint("`skep salvage` lists what was saved"),
        })
    }

    fn list(&self, ctx: &Context) -> Result<Exit, Failure> {
        let kept = set_aside_in(&self.place.site.kept());
        if ctx.json {
            let salvage = self.all.iter().map(SalvageDoc::of).collect();
            term::print_json(&SalvageList {
                schema: SCHEMA,
                salvage,
                kept: kept.iter().map(KeptDoc::of).collect(),
            })?;
            return Ok(Exit::Done);
        }
        let look = look(ctx);
        for aside in &kept {
            let folder = aside.folder.join("files").display().to_string();
            let line = format!(
                "kept in {}, because it could not be saved: {}\n",
                term::escape(&folder),
                term::escape(&aside.why)
            );
            term::print(&term::wrap(&line, look.width, 2))?;
        }
        if self.all.is_empty() {
            if kept.is_empty() {
                term::print("nothing is saved\n")?;
            }
            return Ok(Exit::Done);
        }
        let row = |s: &Salvage| -> Vec<Cell> {
            let merged = if s.merged {
                ("merged", Style::Dim)
            } else {
                ("unmerged", Style::Care)
            };
            let age = length(look.now.0.saturating_sub(s.date.saturating_mul(1000)));
            vec![
                cell(name(s)),
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
        git.args([
            "show",
            "--stat",
            "--patch",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
        ]);
        let output = git
            .arg(saved.commit.as_str())
            .output()
            .map_err(|e| Failure::new(Exit::Refused, "cannot start git").because(&e))?;
        term::print(&term::escape_lines(&String::from_utf8_lossy(
            &output.stdout,
        )))?;
        Ok(Exit::Done)
    }

    fn restore(
        &self,
        ctx: &Context,
        text: &str,
        branch: &str,
        dry_run: bool,
    ) -> Result<Exit, Failure> {
        let saved = self.find(text)?;
        let short = saved.commit.short();
        let mut deeds = Deeds::begin(ctx, dry_run)?;
        if dry_run {
            deeds.only_say(
                branch,
                &format!("would make the branch {branch} at {short}"),
            );
        } else {
            self.place.repo.restore(&saved.reference, branch)?;
            deeds.did(branch, &format!("the branch {branch} is at {short}"));
            term::say(&format!("  git diff ...{branch}\n"));
        }
        deeds.end(Ok(()))
    }

    /// Forgets saved work, all of what is asked for or nothing.
    fn forget(&self, ctx: &Context, args: &DropArgs) -> Result<Exit, Failure> {
        let asked: Vec<&Salvage> = if args.references.is_empty() {
            let all = self.all.iter();
            all.filter(|s| s.merged || args.force).collect()
        } else {
            let mut named = Vec::new();
            for text in &args.references {
                let saved = self.find(text)?;
                if !named.contains(&saved) {
                    named.push(saved);
                }
            }
            named
        };
        for saved in asked.iter().filter(|s| !s.merged) {
            self.refuse_needed(saved)?;
            if !args.force {
                return Err(refuse_unmerged(saved));
            }
        }
        let kept = self.all.len() - asked.len();
        let unmerged = asked.iter().filter(|s| !s.merged).count();
        let what = match unmerged {
            0 => count(asked.len(), "saved commit"),
            n => format!(
                "{}, {n} of them not merged",
                count(asked.len(), "saved commit")
            ),
        };
        if args.dry_run || asked.is_empty() {
            term::say(&format!("would forget {what}, and keep {kept}\n"));
        } else {
            let warning = match unmerged {
                0 => "",
                _ => " What is not merged is then nowhere else.",
            };
            confirm(ctx, &format!("Forget {what}?{warning}"))?;
            let gone: Vec<Salvage> = asked.iter().map(|s| (*s).clone()).collect();
            self.place.repo.drop_saved(&gone)?;
            for saved in gone.iter().filter(|s| !s.merged) {
                // Until git collects it, whoever regrets it can still have it.
                term::say(&format!(
                    "forgot {}, which was {}\n",
                    name(saved),
                    saved.commit.short()
                ));
            }
            term::say(&format!("forgot {what}; kept {kept}\n"));
        }
        if ctx.json {
            term::print_json(&Dropped {
                schema: SCHEMA,
                dry_run: args.dry_run,
                dropped: asked.iter().map(|s| s.reference.clone()).collect(),
                kept,
            })?;
        }
        Ok(Exit::Done)
    }

    /// Not even `--force` takes from a plan what it is about to merge.
    fn refuse_needed(&self, saved: &Salvage) -> Result<(), Failure> {
        let needed = self
            .needed
            .iter()
            .find(|(commit, _)| *commit == saved.commit);
        needed.map_or(Ok(()), |(_, task)| {
            let text = format!("{} is kept: {task} is to be merged from it", name(saved));
            Err(Failure::new(Exit::Refused, text).hint(format!(
                "`skep run` merges it; `skep cancel {task}` gives it up"
            )))
        })
    }
}

/// How saved work is named for people.
fn name(saved: &Salvage) -> String {
    format!("{}/{}", saved.task, saved.attempt)
}

fn refuse_unmerged(saved: &Salvage) -> Failure {
    let (name, files) = (name(saved), count(saved.file_count, "file"));
    let text = format!("{name} is not merged: what it does to {files} is nowhere else");
    Failure::new(Exit::Refused, text).hint(format!(
        "`skep salvage restore {name} BRANCH` makes a branch of it; `--force` forgets it all the same"
    ))
}

/// What is accepted and not merged yet, and what a fix is to bring in.
fn needed(state: &State) -> Vec<(Oid, TaskId)> {
    let mut needed = Vec::new();
    for task in state.tasks() {
        let accepted = task.accepted.as_ref().and_then(|a| a.commit.clone());
        let waits = matches!(task.state, TaskState::Accepted | TaskState::Blocked);
        let open = !task.state.is_over();
        let theirs = task.fix().map(|fix| fix.theirs.clone());
        let commits = accepted.filter(|_| waits).into_iter();
        let commits = commits.chain(theirs.filter(|_| open));
        needed.extend(commits.map(|commit| (commit, task.id().clone())));
    }
    needed
}
