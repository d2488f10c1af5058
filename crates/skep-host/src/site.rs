//! Where a swarm's files are: everything below `.skep/` in the repository's main worktree.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Says to git what it should not see.
const IGNORE: &str = ".gitignore";

/// Has git ignore everything in `dir`. A file that a full disk left empty is written once more.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn ignore_all(dir: &Path) -> io::Result<()> {
    let path = dir.join(IGNORE);
    match fs::metadata(&path) {
        Ok(there) if there.len() > 0 => Ok(()),
        _ => fs::write(path, "*\n"),
    }
}

/// The folder of one swarm's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    root: PathBuf,
    dir: PathBuf,
}

impl Site {
    /// The site of the repository whose main worktree is at `root`. Touches nothing.
    #[must_use]
    pub fn new(root: &Path) -> Site {
        Site {
            root: root.to_path_buf(),
            dir: root.join(".skep"),
        }
    }

    /// Makes the folders, for this user alone, and has git ignore them without touching the user's own ignore
    /// files. Where that fails, on a full disk say, what was begun is taken away again.
    ///
    /// # Errors
    /// When a folder or file cannot be made.
    pub fn create(&self) -> io::Result<()> {
        let fresh = !self.dir.exists();
        let made = self.make();
        if made.is_err() && fresh {
            let _ = fs::remove_file(self.ignore());
            // Only empty folders go: should another keeper have begun here meanwhile, its files stay.
            for dir in [self.runs(), self.worktrees(), self.dir.clone()] {
                let _ = fs::remove_dir(dir);
            }
        }
        made
    }

    fn make(&self) -> io::Result<()> {
        for dir in [self.dir.clone(), self.runs(), self.worktrees()] {
            if !dir.is_dir() {
                fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(&dir)?;
            }
        }
        fs::set_permissions(&self.dir, fs::Permissions::from_mode(0o700))?;
        ignore_all(&self.dir)
    }

    fn ignore(&self) -> PathBuf {
        self.dir.join(IGNORE)
    }

    /// The repository's main worktree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// `.skep/`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
    /// The event log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.dir.join("log.db")
    }
    /// One folder a run.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.dir.join("runs")
    }
    /// One worktree a worker, and the hidden one for integration checks.
    #[must_use]
    pub fn worktrees(&self) -> PathBuf {
        self.dir.join("worktrees")
    }
    /// Worktrees whose content could not be saved, each in a folder of its own.
    #[must_use]
    pub fn kept(&self) -> PathBuf {
        self.dir.join("kept")
    }

    /// One folder a worker, and in it one an agent: agents' homes.
    #[must_use]
    pub fn agents(&self) -> PathBuf {
        self.dir.join("agents")
    }
    /// The keeper's socket. A path in a deep repository can be too long for a socket's address, so then it
    /// stands in a folder of this user's in the system's runtime folder.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.short("keeper.sock")
    }
    /// The datagram socket on which shims say that something changed.
    #[must_use]
    pub fn notify(&self) -> PathBuf {
        self.short("notify.sock")
    }
    /// How the swarm stands, for whoever does not ask the keeper.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        self.dir.join("state.json")
    }
    /// Reports, each as a page, as Markdown and as a document.
    #[must_use]
    pub fn reports(&self) -> PathBuf {
        self.dir.join("reports")
    }
    /// What hooks print, and how they end.
    #[must_use]
    pub fn hooks_log(&self) -> PathBuf {
        self.dir.join("hooks.log")
    }
    /// What the keeper says of itself while it runs; its time stamp is the keeper's heartbeat.
    #[must_use]
    pub fn keeper_file(&self) -> PathBuf {
        self.dir.join("keeper.json")
    }
    /// The owner's token.
    #[must_use]
    pub fn token(&self) -> PathBuf {
        self.dir.join("token")
    }
    /// What leads a desktop's browser to a link that signs it in, until the link was used.
    #[must_use]
    pub fn sign_in_page(&self) -> PathBuf {
        self.dir.join("sign-in.html")
    }
    /// Where the keeper answers over TCP, or did last.
    #[must_use]
    pub fn server_file(&self) -> PathBuf {
        self.dir.join("server.json")
    }
    /// What a detached keeper and its watchdog print.
    #[must_use]
    pub fn keeper_log(&self) -> PathBuf {
        self.dir.join("keeper.log")
    }
    /// What the watchdog says of itself.
    #[must_use]
    pub fn watchdog_file(&self) -> PathBuf {
        self.dir.join("watchdog.json")
    }
    /// Locked by the one watchdog that a site may have.
    #[must_use]
    pub fn watchdog_lock(&self) -> PathBuf {
        self.dir.join("watchdog.lock")
    }

    fn short(&self, name: &str) -> PathBuf {
        /// `sun_path` holds 108 bytes with its final zero.
        const LONGEST: usize = 100;
        let near = self.dir.join(name);
        if near.as_os_str().len() <= LONGEST {
            return near;
        }
        // FNV-1a: any stable hash will do, and it must be the same in every version of Skep.
        let bytes = self.dir.as_os_str().as_encoded_bytes();
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
        });
        let uid = rustix::process::getuid().as_raw();
        let runtime = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|p| p.is_dir());
        let base = runtime.map_or_else(
            || std::env::temp_dir().join(format!("skep-{uid}")),
            |dir| dir.join("skep"),
        );
        base.join(format!("{hash:016x}-{name}"))
    }
}
