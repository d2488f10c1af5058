//! Where an attempt's secrets turn up while it runs: command lines, which every user of the machine can read, and
//! Skep's files, which are kept.

use crate::world::KEY;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

/// A larger file is no text of an agent's.
const FILE_MAX: u64 = 16 * 1024 * 1024;

/// Looks on until it is asked for what it saw.
pub(crate) struct Watch {
    enough: Arc<AtomicBool>,
    looks: Option<JoinHandle<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// Of all processes that know the attempt's world.
    commands: BTreeSet<String>,
    tokens: BTreeSet<String>,
    /// Files, below the repository, that held one of the secrets at some time.
    files: BTreeSet<String>,
}

impl Watch {
    /// Begins to look at every process that has this folder in its environment, and at Skep's files in its repository.
    pub(crate) fn begin(root: &Path) -> Watch {
        let enough = Arc::new(AtomicBool::new(false));
        let (over, root) = (Arc::clone(&enough), root.to_path_buf());
        let looks = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !over.load(Relaxed) {
                seen.look(&root);
                // Processes tell nobody when they are there.
                std::thread::sleep(Duration::from_millis(50));
            }
            seen.look(&root);
            seen
        });
        Watch {
            enough,
            looks: Some(looks),
        }
    }

    /// What was seen holds no secret, but for files of the agent's own home whose paths end like these.
    #[track_caller]
    pub(crate) fn saw_no_secret(mut self, agents_own: &[&str]) {
        self.enough.store(true, Relaxed);
        let seen = self.looks.take().unwrap().join().unwrap();
        assert!(
            !seen.tokens.is_empty(),
            "no process of the attempt was seen"
        );
        for secret in seen.tokens.iter().map(String::as_str).chain([KEY]) {
            let telling = seen.commands.iter().find(|line| line.contains(secret));
            assert_eq!(telling, None, "a command line tells a secret");
        }
        let own = |file: &&String| agents_own.iter().any(|own| file.ends_with(own));
        let files: Vec<&String> = seen.files.iter().filter(|file| !own(file)).collect();
        assert!(files.is_empty(), "files hold a secret: {files:?}");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.enough.store(true, Relaxed);
    }
}

impl Seen {
    fn look(&mut self, root: &Path) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let read = |name: &str| {
                let bytes = fs::read(process.path().join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).into_owned()
            };
            let environment = read("environ");
            if !environment.contains(&*root.to_string_lossy()) {
                continue;
            }
            self.commands.insert(read("cmdline").replace('\0', " "));
            let token = environment
                .split('\0')
                .find_map(|one| one.strip_prefix("SKEP_TOKEN="));
            self.tokens.extend(token.map(ToString::to_string));
        }
        let mut secrets: Vec<&str> = self.tokens.iter().map(String::as_str).collect();
        secrets.push(KEY);
        for file in holding(&root.join("repo/.skep"), &secrets) {
            let file = file.strip_prefix(root).unwrap_or(&file);
            self.files.insert(file.to_string_lossy().into_owned());
        }
    }
}

/// The files below this folder that hold one of these texts. Links are not followed: what they lead to is the user's.
pub(crate) fn holding(folder: &Path, texts: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // Files go while others look.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, Ok(there)) = (entry.path(), entry.metadata()) else {
            continue;
        };
        if there.is_dir() {
            found.extend(holding(&path, texts));
        } else if there.is_file() && there.len() <= FILE_MAX {
            let bytes = fs::read(&path).unwrap_or_default();
            let content = String::from_utf8_lossy(&bytes);
            if texts.iter().any(|text| content.contains(text)) {
                found.push(path);
            }
        }
    }
    found
}
