//! Builds the dashboard and embeds it. What cannot be built is said as a warning, and a page that says how to get it is
//! embedded instead: a machine without Node, or without a network, builds Skep all the same.
//!
//! Nothing is written into the source tree. The page is built in `target/web`, in a folder of this process's own that
//! is given its name, the hash of the sources, once it is whole; so a build that is killed leaves nothing that another
//! takes for one, and profiles share one page.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What the page is made of. Tests and the developer's server are not: they rebuild nothing.
const SOURCES: [&str; 6] = [
    "package.json",
    "package-lock.json",
    "vite.config.ts",
    "svelte.config.js",
    "index.html",
    "src",
];

/// The oldest Node that Vite runs on.
const NODE: (u32, u32) = (20, 19);

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets this, too")?);
    let web = here.join("../../web");
    println!("cargo:rerun-if-env-changed=SKEP_WEB");
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", web.join(source).display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/none.html");
    let page = out.join("page");
    if page.exists() {
        fs::remove_dir_all(&page)?;
    }
    let built = if env::var_os("SKEP_WEB").is_some_and(|said| said == "off") {
        Err("SKEP_WEB=off".into())
    } else {
        build(&web, &out).and_then(|dist| Ok(copy(&dist, &page)?))
    };
    if let Err(why) = &built {
        let why = why.to_string().replace('\n', " ");
        println!("cargo:warning=skep is built without its dashboard: {why}");
        // A copy that broke off is not embedded in part.
        let _ = fs::remove_dir_all(&page);
        fs::create_dir_all(&page)?;
        fs::copy(here.join("src/none.html"), page.join("index.html"))?;
    }
    fs::write(out.join("files.rs"), embed(&page, built.is_ok())?)?;
    Ok(())
}

/// The folder of the built page, building it if these sources were not built before.
fn build(web: &Path, out: &Path) -> Result<PathBuf, Failed> {
    // target/PROFILE/build/skep-web-HASH/out
    let target = out
        .ancestors()
        .nth(4)
        .ok_or("OUT_DIR is not in a target folder")?;
    let all = target.join("web");
    let done = all.join(hash(web)?);
    if done.join("index.html").exists() {
        return Ok(done);
    }
    node()?;
    let work = all.join(format!("work-{}", std::process::id()));
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work)?;
    let made = make(web, &work).and_then(|()| {
        match fs::rename(work.join("dist"), &done) {
            // Another build of the same sources was faster.
            Err(_) if done.join("index.html").exists() => Ok(()),
            renamed => Ok(renamed?),
        }
    });
    let _ = fs::remove_dir_all(&work);
    made.map(|()| done)
}

fn make(web: &Path, work: &Path) -> Result<(), Failed> {
    for source in SOURCES {
        copy(&web.join(source), &work.join(source))?;
    }
    // Without the tests' packages. Offline it is known soon.
    let install = [
        "ci",
        "--ignore-scripts",
        "--omit=dev",
        "--no-audit",
        "--no-fund",
        "--prefer-offline",
        "--fetch-retries=1",
        "--fetch-timeout=20000",
        "--loglevel=error",
    ];
    run(work, "npm", &install)?;
    run(
        work,
        "node",
        &[
            "node_modules/vite/bin/vite.js",
            "build",
            "--logLevel",
            "error",
        ],
    )
}

fn node() -> Result<(), Failed> {
    let said =
        output(Path::new("."), "node", &["--version"]).map_err(|why| format!("node: {why}"))?;
    let mut parts = said
        .trim()
        .trim_start_matches('v')
        .split('.')
        .map(|n| n.parse().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if version < NODE {
        let (major, minor) = NODE;
        return Err(format!(
            "it needs Node {major}.{minor} or newer, and this is {}",
            said.trim()
        )
        .into());
    }
    Ok(())
}

fn run(dir: &Path, program: &str, args: &[&str]) -> Result<(), Failed> {
    output(dir, program, args).map(drop)
}

/// What a program prints; if it fails, the end of what it complains of.
#[allow(clippy::disallowed_methods)] // A build script is no part of the program, and says the directory.
fn output(dir: &Path, program: &str, args: &[&str]) -> Result<String, Failed> {
    let ran = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output();
    let ran = ran.map_err(|error| format!("cannot run {program}: {error}"))?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    let end: Vec<&str> = said.lines().rev().take(5).collect();
    let end: Vec<&str> = end.into_iter().rev().collect();
    Err(format!(
        "{program} {} failed: {}",
        args.first().unwrap_or(&""),
        end.join(" ")
    )
    .into())
}

/// Names the sources by what is in them.
fn hash(web: &Path) -> io::Result<String> {
    let mut hasher = DefaultHasher::new();
    for source in SOURCES {
        for path in files(&web.join(source))? {
            path.strip_prefix(web).unwrap_or(&path).hash(&mut hasher);
            fs::read(&path)?.hash(&mut hasher);
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// All files below a path, in order.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path)?
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    let mut all = Vec::new();
    for entry in entries {
        all.extend(files(&entry)?);
    }
    Ok(all)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for file in files(from)? {
        let target = match file.strip_prefix(from) {
            Ok(rest) if !rest.as_os_str().is_empty() => to.join(rest),
            _ => to.into(),
        };
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(&file, &target)?;
    }
    Ok(())
}

/// The table of files, as source.
fn embed(page: &Path, built: bool) -> Result<String, Failed> {
    let mut text = format!(
        "/// Whether this is the dashboard, and not the page that says how to get it.\npub const BUILT: bool = {built};\n"
    );
    text.push_str("/// Every file.\npub static FILES: &[File] = &[\n");
    for file in files(page)? {
        let name = file
            .strip_prefix(page)?
            .to_str()
            .ok_or("a file's name is not text")?
            .to_owned();
        if name.ends_with(".br") || name.ends_with(".gz") {
            continue;
        }
        let mut hasher = DefaultHasher::new();
        fs::read(&file)?.hash(&mut hasher);
        let path = if name == "index.html" {
            String::new()
        } else {
            name.clone()
        };
        let bytes = |suffix: &str| {
            let file = page.join(format!("{name}{suffix}"));
            if file.exists() {
                format!("include_bytes!({file:?})")
            } else {
                "&[]".into()
            }
        };
        text.push_str(&format!(
            "    File {{ path: {:?}, kind: {:?}, tag: \"{:016x}\", immutable: {}, plain: {}, brotli: {}, gzip: {} }},\n",
            format!("/{path}"), kind(&name)?, hasher.finish(), name.starts_with("assets/"), bytes(""), bytes(".br"), bytes(".gz"),
        ));
    }
    text.push_str("];\n");
    Ok(text)
}

fn kind(name: &str) -> Result<&'static str, Failed> {
    Ok(match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => {
            return Err(
                format!("{name}: build.rs of skep-web does not know its media type").into(),
            );
        }
    })
}
