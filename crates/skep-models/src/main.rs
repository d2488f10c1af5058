//! `skep-models [--port N] [SCRIPTS.json]`: a scripted model server, by hand or for a job that is not Rust. The first
//! line is its base URL; each request is a line after that, and `GET /_asked` has them all. It ends with Ctrl-C.
#![allow(clippy::print_stdout, clippy::print_stderr)] // A tool for the terminal.

use skep_models::{Script, Server};
use std::{collections::BTreeMap, error::Error, fs, process::ExitCode, time::Duration};

/// What is served if no file is named.
const EXAMPLE: &str = include_str!("../scripts/example.json");

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("skep-models: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    let (mut port, mut file) = (0, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--port" => {
                let value = args.next().unwrap_or_default();
                let number = value.parse();
                port = number.map_err(|_| {
                    format!("--port: expected a number below 65536, found {value:?}")
                })?;
            }
            name if !name.starts_with('-') => file = Some(arg),
            _ => return Err("usage: skep-models [--port N] [SCRIPTS.json]".into()),
        }
    }
    let text = match &file {
        Some(file) => fs::read_to_string(file).map_err(|e| format!("cannot read {file}: {e}"))?,
        None => EXAMPLE.into(),
    };
    let scripts: BTreeMap<String, Script> = serde_json::from_str(&text)
        .map_err(|e| format!("{}: {e}", file.as_deref().unwrap_or("the example")))?;
    let server = Server::at(port).map_err(|e| format!("cannot listen on port {port}: {e}"))?;
    println!("{}", server.url());
    for (name, script) in scripts {
        server.script(&name, script);
    }
    let mut told = 0;
    loop {
        server.wait(Duration::MAX, |asked| asked.len() > told);
        for asked in &server.asked()[told..] {
            println!(
                "{:.3} {} {} {:?} {:?}",
                asked.at.as_secs_f64(),
                asked.path,
                asked.model,
                asked.conversation,
                asked.got
            );
            told += 1;
        }
    }
}
