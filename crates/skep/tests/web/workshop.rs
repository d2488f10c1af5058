//! Where the page's tests are run: a copy of `web/` below `target`, with its packages. Nothing is written into the
//! source tree.

use libtest_mimic::Failed;
use skep_host::command::command;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[derive(Clone)]
pub(crate) struct Workshop {
    dir: PathBuf,
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web")
}

/// Debian's, or the one that is named.
pub(crate) fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("SKEP_TEST_CHROMIUM").map(PathBuf::from);
    let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].map(PathBuf::from);
    named.into_iter().chain(usual).find(|path| path.exists())
}

fn ran(line: &mut Command) -> Result<(), String> {
    let shown = format!("{:?}", line.get_program());
    let output = line.output().map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Err(format!(
        "{shown} ended with {}\n{out}\n{err}",
        output.status
    ))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if !["node_modules", "dist"].contains(&entry.file_name().to_string_lossy().as_ref()) {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

impl Workshop {
    /// # Errors
    /// Why it cannot be had here.
    pub(crate) fn open() -> Result<Workshop, String> {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("web");
        let made = || -> std::io::Result<()> {
            // What was deleted in the source is not tested any more.
            for old in ["src", "tests"] {
                let old = dir.join(old);
                if old.exists() {
                    fs::remove_dir_all(old)?;
                }
            }
            copy(&source(), &dir)
        };
        made().map_err(|error| format!("web/ cannot be copied: {error}"))?;
        let lock = fs::read(dir.join("package-lock.json")).unwrap_or_default();
        let done = dir.join("node_modules/.done");
        if fs::read(&done).ok().as_ref() != Some(&lock) {
            let install = [
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--prefer-offline",
                "--fetch-retries=1",
            ];
            ran(command("npm", &dir).args(install))?;
            fs::write(&done, lock).map_err(|error| error.to_string())?;
        }
        Ok(Workshop { dir })
    }

    fn node(&self, script: &str) -> Command {
        let mut node = command("node", &self.dir);
        node.arg(self.dir.join("node_modules").join(script))
            .env("NO_COLOR", "1");
        node
    }

    /// The page's types are those of the OpenAPI document, and it keeps to them.
    // proves: U-2, U-3
    pub(crate) fn types(&self) -> Result<(), Failed> {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../skep-server/openapi.json");
        let made = self.dir.join("schema.d.ts");
        ran(self
            .node("openapi-typescript/bin/cli.js")
            .arg(document)
            .arg("--default-non-nullable=false")
            .arg("-o")
            .arg(&made))?;
        let saved = fs::read_to_string(source().join("src/api/schema.d.ts"))?;
        if fs::read_to_string(made)? != saved {
            return Err(
                "the API has changed: `npm run types` in web/, and commit web/src/api/schema.d.ts"
                    .into(),
            );
        }
        let mut check = self.node("svelte-check/bin/svelte-check");
        let check = check.args(["--tsconfig", "./tsconfig.json", "--fail-on-warnings"]);
        Ok(ran(check)?)
    }

    /// The tests of one of the projects in `vitest.config.ts`.
    pub(crate) fn vitest(&self, project: &str, told: &[(&str, PathBuf)]) -> Result<(), Failed> {
        let mut vitest = self.node("vitest/vitest.mjs");
        vitest.args(["run", "--project", project]);
        vitest.envs(told.iter().map(|(name, value)| (name, value)));
        let output = vitest.output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let complained = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{said}\n{complained}").into());
        }
        // Figures that a test measured are for people.
        for line in said.lines().filter(|line| line.contains("FIGURES")) {
            println!("{line}");
        }
        Ok(())
    }
}
