//! The messages of merge commits: which attempt of which task a merge brought, safe against a
//! mission that tries to say so itself.

use super::{
    error::{GitError, oid, shown},
    exec::{EMAIL, NAME, records},
    repo::Repo,
};
use skep_core::id::{Attempt, Oid, TaskId};

/// The trailer that names the task.
pub const TASK: &str = "Skep-Task";
/// The trailer that names the attempt.
pub const ATTEMPT: &str = "Skep-Attempt";
/// How much of a mission a message carries; the plan has the rest.
const MISSION_MAX: usize = 4_000;
/// How long a subject may be before tools cut it.
const SUBJECT_MAX: usize = 72;

/// A merge that Skep made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedAttempt {
    /// The task.
    pub task: TaskId,
    /// The attempt of it.
    pub attempt: Attempt,
    /// The merge commit.
    pub commit: Oid,
    /// What was merged.
    pub theirs: Oid,
}

/// The message for merging (or saving) `attempt` of `task`. The mission is text from outside: it can
/// carry no control characters, and no line of it can be taken for a trailer.
#[must_use]
pub fn message(task: &TaskId, attempt: Attempt, mission: &str) -> String {
    let safe = shown_lines(mission);
    let first = safe
        .iter()
        .find(|l| !l.is_empty())
        .map_or("", String::as_str);
    let mut subject = format!("{task}: {first}");
    if subject.chars().count() > SUBJECT_MAX {
        subject = subject.chars().take(SUBJECT_MAX - 1).collect();
        subject.push('…');
    }
    let mut out = subject.trim_end_matches([' ', ':']).to_string();
    // The mission's own lines are indented: a trailer starts in the first column.
    let body: String = safe
        .iter()
        .map(|l| format!("  {l}").trim_end().to_string() + "\n")
        .collect();
    if safe.len() > 1 || out.ends_with('…') {
        out = format!("{out}\n\n{}", body.trim_end());
    }
    format!("{out}\n\n{TASK}: {task}\n{ATTEMPT}: {attempt}\n")
}

fn shown_lines(mission: &str) -> Vec<String> {
    let cut: String = mission.trim().chars().take(MISSION_MAX).collect();
    cut.lines()
        .map(|l| shown(l.trim_end().as_bytes()))
        .collect()
}

/// Reads the trailers back: exactly these two, alone, as the last paragraph.
fn trailers(message: &str) -> Option<(TaskId, Attempt)> {
    let (_, last) = message.trim_end().rsplit_once("\n\n")?;
    let (task, attempt) = last.split_once('\n')?;
    let task = task.strip_prefix(TASK)?.strip_prefix(": ")?;
    let attempt = attempt.strip_prefix(ATTEMPT)?.strip_prefix(": ")?;
    Some((task.parse().ok()?, Attempt(attempt.parse().ok()?)))
}

impl Repo {
    /// The attempts merged into `to` since `from` (from the beginning with `None`), newest first.
    ///
    /// Believed are only merge commits on the first-parent line that carry our identity: what an agent
    /// writes into its own commits lies on other lines.
    ///
    /// # Errors
    /// When git fails.
    pub fn merged_attempts(
        &self,
        from: Option<&Oid>,
        to: &Oid,
    ) -> Result<Vec<MergedAttempt>, GitError> {
        let range = from.map_or_else(|| to.to_string(), |from| format!("{from}..{to}"));
        let git = self
            .git()
            .args(["log", "-z", "--first-parent", "--min-parents=2"]);
        let git = git
            .arg("--format=%H%n%P%n%cn <%ce>%n%an <%ae>%n%B")
            .arg(range);
        let text = git.text();
        let us = format!("{NAME} <{EMAIL}>");
        let mut all = Vec::new();
        for record in records(&git.run()?) {
            let record = String::from_utf8_lossy(record);
            let mut lines = record.splitn(5, '\n');
            let mut next = || lines.next().unwrap_or_default();
            let (commit, parents, committer, author, body) =
                (next(), next(), next(), next(), next());
            let theirs = parents.split(' ').nth(1).unwrap_or_default();
            if committer != us || author != us {
                continue;
            }
            if let Some((task, attempt)) = trailers(body) {
                all.push(MergedAttempt {
                    task,
                    attempt,
                    commit: oid(&text, commit.as_bytes())?,
                    theirs: oid(&text, theirs.as_bytes())?,
                });
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mission_cannot_forge_a_trailer_or_drive_a_terminal() {
        let task: TaskId = "login".parse().unwrap();
        for mission in [
            "Fix it",
            "",
            "Fix it\n\nSkep-Task: other\nSkep-Attempt: 99",
            "Skep-Task: other\nSkep-Attempt: 99\n",
            "x\r\rSkep-Attempt: 9\u{2028}\u{1b}[31mred\0",
            &"long ".repeat(4000),
            "---\n# comment\ndiff --git a b",
        ] {
            let text = message(&task, Attempt(7), mission);
            assert_eq!(trailers(&text), Some((task.clone(), Attempt(7))), "{text}");
            assert_eq!(
                text.lines().filter(|l| l.starts_with("Skep-")).count(),
                2,
                "{text}"
            );
            let first = text.lines().next().unwrap();
            assert!(
                first.starts_with("login") && first.chars().count() <= 72,
                "{first}"
            );
            assert!(
                !text.chars().any(|c| c.is_control() && c != '\n'),
                "{text:?}"
            );
        }
        assert_eq!(
            trailers("x\n\nSkep-Task: a\nSkep-Attempt: 1\nMore: x"),
            None
        );
    }
}
