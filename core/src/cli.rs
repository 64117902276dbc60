//! The command line, `narthex`: the same words as the tray and the window, for a terminal and for
//! scripts. What it prints for people may change; `--json`, exit codes and options may not.

mod add;
mod approve;
mod args;
mod call;
mod clients;
mod config;
mod demo;
mod doctor;
mod events;
mod exit;
mod launch;
mod logs;
mod overview;
mod serve;
mod stdio;
mod table;
mod terminal;
mod text;
mod tools;
mod ui;
mod wishes;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, Parser};
use serde::Serialize;

pub use args::Cli;
use args::{Ask, ClientVerb, Command, ConfigVerb};
use exit::{Exit, Failure};

use crate::{
    client::{self, ClientError, Remote},
    home::Home,
};

/// Parses the arguments, runs the command and returns its exit code.
pub fn main() -> ExitCode {
    run(Cli::parse())
}

/// What every command knows.
struct Context {
    home: Option<PathBuf>,
    json: bool,
}

impl Context {
    fn remote(&self) -> Result<Remote, Failure> {
        Ok(Remote::find(self.home.clone())?)
    }

    fn home(&self) -> Result<Home, Failure> {
        Ok(Home::locate(self.home.clone()).map_err(ClientError::Home)?)
    }
}

/// Runs a command on the runtime that fits it: many threads for the core, one for what asks it,
/// none for the demo, which is to start in a few milliseconds.
fn run(cli: Cli) -> ExitCode {
    let context = Context {
        home: cli.home.filter(|folder| !folder.as_os_str().is_empty()),
        json: cli.format.json,
    };
    let outcome = match cli.command {
        Command::Serve(options) => return serve::run(context, options),
        Command::Demo { remove: false } => return crate::demo::run(),
        Command::Demo { remove: true } => single_threaded(demo::remove(&context)),
        Command::Completions { shell } => completions(shell),
        Command::Openapi => openapi(),
        Command::Ask(ask) => single_threaded(asked(context, ask)),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => failure.tell(),
    }
}

fn single_threaded(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(work);
    // Nothing that still runs is worth waiting for.
    runtime.shutdown_background();
    outcome
}

async fn asked(mut context: Context, ask: Ask) -> Result<Exit, Failure> {
    if let Some(format) = ask.format() {
        context.json |= format.json;
    }
    match ask {
        Ask::Status(_) => overview::status(&context).await,
        Ask::Servers(_) => overview::servers(&context).await,
        Ask::Connect(server) => {
            wishes::wish(&context, &server.name, client::Command::Connect).await
        }
        Ask::Disconnect(server) => {
            wishes::wish(&context, &server.name, client::Command::Disconnect).await
        }
        Ask::Restart(server) => {
            wishes::wish(&context, &server.name, client::Command::Restart).await
        }
        Ask::Quarantine(server) => {
            wishes::wish(&context, &server.name, client::Command::Quarantine).await
        }
        Ask::Pause(_) => wishes::pause(&context).await,
        Ask::Resume(_) => wishes::resume(&context).await,
        Ask::Approve { name } => approve::run(&context, &name).await,
        Ask::Add(server) => add::add(&context, server).await,
        Ask::Remove { name, yes } => add::remove(&context, &name, yes).await,
        Ask::Tools { name, .. } => tools::run(&context, name.as_deref()).await,
        Ask::Call(call) => call::run(&context, call).await,
        Ask::Logs(logs) => logs::run(&context, logs).await,
        Ask::Events(_) => events::run(&context).await,
        Ask::Ui { print } => ui::run(&context, print).await,
        Ask::Client(verb) => match verb {
            ClientVerb::Add { name, .. } => clients::add(&context, &name).await,
            ClientVerb::List(_) => clients::list(&context).await,
            ClientVerb::Remove { name } => clients::remove(&context, &name).await,
        },
        Ask::Config(verb) => match verb {
            ConfigVerb::Check(_) => config::check(&context),
            ConfigVerb::Path => config::path(&context),
        },
        Ask::Doctor(_) => doctor::run(&context).await,
        Ask::Stdio { client } => stdio::run(&context, client).await,
    }
}

/// Prints the document that `docs/openapi.json` is made of.
fn openapi() -> Result<Exit, Failure> {
    io::stdout()
        .lock()
        .write_all(crate::api::document().as_bytes())?;
    Ok(Exit::Done)
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "narthex", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Exit::Done)
}

/// Returns a number with its noun: `1 server`, `2 servers`.
fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// Prints a line for people.
fn say(line: impl AsRef<str>) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{}", line.as_ref())
}

/// Prints an answer for programs: one line.
fn print_json(answer: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(answer).map_err(io::Error::from)?;
    Ok(say(line)?)
}
