//! A swarm on somebody else's code: lodash as the npm registry has it (some 640 files, 50,000 lines), with real
//! codemods and its own code as the judge.
//!
//! Needs `npm` and the registry; without them the test fails and says so, since skipping would prove nothing.
#![allow(clippy::unwrap_used)] // In a test's helpers, too, a surprise is a failure.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

const PACKAGE: &str = "lodash@4.17.21";

#[allow(clippy::disallowed_methods)] // Tests stand outside: they run programs as a person would.
fn run(program: &str, dir: &Path, args: &[&str]) -> Output {
    let output = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output();
    output.unwrap_or_else(|e| panic!("this test needs `{program}`, which cannot be run: {e}"))
}

fn ok(program: &str, dir: &Path, args: &[&str]) -> String {
    let output = run(program, dir, args);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{program} {args:?} failed:\n{out}\n{err}"
    );
    out.into_owned()
}

/// Four codemods side by side, two that build on them, and one that needs both.
const PLAN: &str = r#"
[swarm]
name = "lodash"
agent = "shell"
workers = 4
# The package judges itself: every file parses, and what it exports still works.
check = [
  "git ls-files '*.js' | xargs -n 200 node -e 'for (const f of process.argv.slice(1)) new (require(\"vm\").Script)(require(\"fs\").readFileSync(f, \"utf8\"), { filename: f })'",
  "node -e 'const _ = require(\".\"); const fp = require(\"./fp\"); require(\"assert\").deepEqual(_.chunk(_.sortBy([3, 1, 2]), 2), [[1, 2], [3]]); require(\"assert\").equal(fp.sum([1, 2]), 3)'",
]

[[task]]
id = "strict-base"
mission = "Make the _base modules strict."
files = ["_base*.js"]
command = "for f in _base*.js; do { printf \"'use strict';\\n\\n\"; cat \"$f\"; } > t && mv t \"$f\"; done"
success = ["test -z \"$(grep -L 'use strict' _base*.js)\"", "node -e 'require(\"./_baseClone\")'", { changed = "_base*.js" }]

[[task]]
id = "strict-array"
mission = "Make the _array modules strict."
files = ["_array*.js"]
command = "for f in _array*.js; do { printf \"'use strict';\\n\\n\"; cat \"$f\"; } > t && mv t \"$f\"; done"
success = ["node -e 'require(\"./_arrayMap\")'"]

[[task]]
id = "rename"
mission = "Call _baseIsNaN what it is."
command = """
git mv _baseIsNaN.js _isNaNValue.js
grep -lr "baseIsNaN" --include='*.js' . | grep -v -e '^./lodash' -e '^./core' -e '^./fp/' | xargs sed -i 's/_baseIsNaN/_isNaNValue/g; s/baseIsNaN/isNaNValue/g'
"""
success = ["node -e 'require(\"assert\").equal(require(\"./indexOf\")([1, NaN], NaN), 1)'", "! grep -rn \"require('./_baseIsNaN')\" --include='*.js' .", { exists = "_isNaNValue.js" }]

[[task]]
id = "const"
mission = "Declare what the is* modules require as constants."
files = ["is*.js"]
command = "sed -i -E \"s/^var ([A-Za-z]+) = require/const \\1 = require/\" is*.js"
success = ["node -e 'require(\"assert\").ok(require(\"./isEmpty\")({}))'", "grep -q '^const ' isEqual.js"]

[[task]]
id = "inventory"
mission = "Write down every module with its size."
depends_on = ["rename", "strict-base"]
command = "git ls-files '*.js' | xargs wc -l | sort -rn > MODULES.txt"
success = ["grep -q _isNaNValue.js MODULES.txt", "! grep -q _baseIsNaN.js MODULES.txt"]

[[task]]
id = "strict-count"
mission = "Write down which modules are strict."
depends_on = ["strict-base", "strict-array"]
command = "grep -l \"^'use strict'\" *.js > STRICT.txt"
success = ["grep -q _baseClone.js STRICT.txt", "grep -q _arrayMap.js STRICT.txt"]

[[task]]
id = "readme"
mission = "Point to both lists."
depends_on = ["inventory", "strict-count"]
command = "printf '\\nSee MODULES.txt (%s modules) and STRICT.txt (%s of them strict).\\n' $(wc -l < MODULES.txt) $(wc -l < STRICT.txt) >> README.md"
success = ["tail -1 README.md | grep -qE 'MODULES.txt .[0-9]+ modules'"]
"#;

// proves: W-6, W-10, W-14, Q-5, X-1
#[test]
fn real_codemods_on_a_published_package_are_merged_and_it_still_works() {
    let dir = TempDir::new().unwrap();
    ok("npm", dir.path(), &["pack", "--silent", PACKAGE]);
    ok("tar", dir.path(), &["xzf", "lodash-4.17.21.tgz"]);
    let repo = dir.path().join("package");
    ok("git", &repo, &["init", "-q", "-b", "main"]);
    ok("git", &repo, &["config", "user.name", "Ann"]);
    ok("git", &repo, &["config", "user.email", "ann@example.org"]);
    ok("git", &repo, &["add", "-A"]);
    ok("git", &repo, &["commit", "-q", "-m", PACKAGE]);
    let plan = dir.path().join("plan.toml");
    fs::write(&plan, PLAN).unwrap();
    let output = run(
        env!("CARGO_BIN_EXE_skep"),
        &repo,
        &["run", plan.to_str().unwrap()],
    );
    let said = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(
        ok("git", &repo, &["status", "--porcelain"]),
        "",
        "the checkout is as it was"
    );
    ok("git", &repo, &["checkout", "-q", "skep/lodash"]);
    ok(
        "node",
        &repo,
        &[
            "-e",
            "require('assert').equal(require('.').VERSION, '4.17.21')",
        ],
    );
    assert!(
        fs::read_to_string(repo.join("README.md"))
            .unwrap()
            .contains("modules) and STRICT.txt (")
    );
    let files = ok(
        "git",
        &repo,
        &["diff", "--name-only", "main", "skep/lodash"],
    );
    assert!(
        files.lines().count() > 100,
        "real codemods touch many files: {files}"
    );
}
