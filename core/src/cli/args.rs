use std::{net::SocketAddr, path::PathBuf};

use clap::{
    ArgGroup, Args, Parser, Subcommand,
    builder::{OsStringValueParser, TypedValueParser},
};
use clap_complete::Shell;

/// MCP servers behind one address: supervised, and in quarantine until you let them in.
#[derive(Debug, Parser)]
#[command(
    name = "narthex",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// The folder that holds everything (without it: the platform's folders).
    // Not the parser of paths: that refuses an empty variable, which means none.
    #[arg(long, value_name = "DIR", global = true, env = "NARTHEX_HOME",
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(super) home: Option<PathBuf>,

    #[command(flatten)]
    pub(super) format: Format,

    #[command(subcommand)]
    pub(super) command: Command,
}

/// How to print. Not a global option of clap, since the `--json` of `add` takes a value.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Format {
    /// Print JSON, for programs.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a core without a window, until it is told to end.
    Serve(Serve),
    /// Be a small MCP server to try things with, on standard input and output.
    Demo {
        /// Remove the demo servers from the configuration.
        #[arg(long)]
        remove: bool,
    },
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the OpenAPI document of REST.
    #[command(hide = true)]
    Openapi,
    #[command(flatten)]
    Ask(Ask),
}

/// The commands that ask a core, or look at what it keeps.
#[derive(Debug, Subcommand)]
pub(super) enum Ask {
    /// Say what runs.
    Status(Format),
    /// List the servers.
    Servers(Format),
    /// Connect a server.
    Connect(Named),
    /// Disconnect a server; it stays so until it is connected again.
    Disconnect(Named),
    /// End a server and start it again.
    Restart(Named),
    /// Hold a server until it is approved again.
    Quarantine(Named),
    /// Pause all servers.
    Pause(Format),
    /// Resume what was paused.
    Resume(Format),
    /// Review a server and let it in: what runs, then what it offers.
    Approve {
        /// The server.
        name: String,
    },
    /// Add a server: `narthex add NAME -- COMMAND ARGS…`, or `--url URL`.
    Add(Add),
    /// Remove a server from the configuration.
    Remove {
        /// The server.
        name: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// List tools and whether clients see them.
    Tools {
        /// Of this server only.
        name: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Call a tool.
    Call(Call),
    /// Show what a server wrote.
    Logs(Logs),
    /// Follow what happens.
    Events(Format),
    /// Open the web UI in your browser.
    Ui {
        /// Print its address, which holds the control credential, and open nothing.
        #[arg(long)]
        print: bool,
    },
    /// The clients that may connect.
    #[command(subcommand)]
    Client(ClientVerb),
    /// The configuration file.
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Look for what is wrong on this machine.
    Doctor(Format),
    /// Be the bridge for a client that only starts processes.
    Stdio {
        /// What the client is called, in the core's log and count; any name, none need be known.
        #[arg(long = "client", value_name = "NAME")]
        client: Option<String>,
    },
}

impl Ask {
    /// Returns the format asked for behind the command's own name.
    pub(super) fn format(&self) -> Option<Format> {
        match self {
            Self::Status(format)
            | Self::Servers(format)
            | Self::Pause(format)
            | Self::Resume(format)
            | Self::Events(format)
            | Self::Doctor(format)
            | Self::Tools { format, .. }
            | Self::Client(ClientVerb::Add { format, .. } | ClientVerb::List(format))
            | Self::Config(ConfigVerb::Check(format)) => Some(*format),
            Self::Connect(named)
            | Self::Disconnect(named)
            | Self::Restart(named)
            | Self::Quarantine(named) => Some(named.format),
            Self::Call(call) => Some(call.format),
            Self::Logs(logs) => Some(logs.format),
            Self::Approve { .. }
            | Self::Add(_)
            | Self::Remove { .. }
            | Self::Client(ClientVerb::Remove { .. })
            | Self::Config(ConfigVerb::Path)
            | Self::Stdio { .. }
            | Self::Ui { .. } => None,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Where to listen [default: 127.0.0.1:7410].
    #[arg(long, value_name = "ADDR:PORT")]
    pub(super) listen: Option<SocketAddr>,
    /// Print one line of JSON when ready.
    #[arg(long)]
    pub(super) json: bool,
    /// Approve everything in the file, and what each server offers when first seen.
    #[arg(long)]
    pub(super) trust_config: bool,
    /// Serve MCP without a credential, on loopback.
    #[arg(long)]
    pub(super) no_client_auth: bool,
    /// End when for ten minutes no client has had a stream open or sent a request and nobody has
    /// followed the events, or when a desktop asks for the home. It is for cores that a bridge starts.
    #[arg(long, hide = true)]
    pub(super) until_unused: bool,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The server.
    pub(super) name: String,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["url", "entry", "command"]))]
pub(super) struct Add {
    /// What it shall be called.
    pub(super) name: String,
    /// The address of a server over HTTP.
    #[arg(long)]
    pub(super) url: Option<String>,
    /// A header to send (`Name=value`; again for more).
    #[arg(long = "header", value_name = "K=V", value_parser = pair, conflicts_with_all = ["command", "entry"])]
    pub(super) headers: Vec<(String, String)>,
    /// A variable of its environment (again for more).
    #[arg(long = "env", value_name = "K=V", value_parser = pair, conflicts_with = "entry")]
    pub(super) env: Vec<(String, String)>,
    /// The whole entry, as it shall stand in the file.
    #[arg(long = "json", value_name = "JSON")]
    pub(super) entry: Option<String>,
    /// What to start.
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Call {
    /// The server.
    pub(super) server: String,
    /// The tool, by the server's own name for it.
    pub(super) tool: String,
    /// One JSON object, or `key=value` for each argument.
    #[arg(value_name = "JSON|KEY=VALUE")]
    pub(super) arguments: Vec<String>,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// The server.
    pub(super) name: String,
    /// How many lines.
    #[arg(short = 'n', long, default_value_t = 50)]
    pub(super) lines: usize,
    /// Go on with what it writes.
    #[arg(short, long)]
    pub(super) follow: bool,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
pub(super) enum ClientVerb {
    /// Add a client and print its token, this once.
    Add {
        /// What it shall be called.
        name: String,
        #[command(flatten)]
        format: Format,
    },
    /// List the clients.
    List(Format),
    /// Remove a client: its token is refused from then on.
    Remove {
        /// The client.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Read the file and say what is wrong with it.
    Check(Format),
    /// Print where the file is.
    Path,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_contradict_nothing() {
        Cli::command().debug_assert();
    }

    #[test]
    fn json_is_understood_on_both_sides_of_the_command() {
        for line in [
            ["narthex", "--json", "servers"],
            ["narthex", "servers", "--json"],
        ] {
            let cli = Cli::try_parse_from(line).unwrap();
            let Command::Ask(ask) = cli.command else {
                panic!("{line:?}");
            };
            assert!(cli.format.json || ask.format().unwrap().json, "{line:?}");
        }
    }

    #[test]
    fn add_wants_exactly_one_source() {
        let parses = |line: &str| Cli::try_parse_from(line.split(' ')).is_ok();
        assert!(parses("narthex add x -- npx -y server --json"));
        assert!(parses("narthex add x --url http://127.0.0.1/ --header A=b"));
        assert!(parses("narthex add --json {} x"));
        assert!(parses("narthex --json add --env A=b x -- npx"));
        assert!(!parses("narthex add x"));
        assert!(!parses("narthex add x --url http://127.0.0.1/ -- npx"));
        assert!(!parses("narthex add x --header A=b -- npx"));
    }

    #[test]
    fn a_home_is_understood_behind_the_command() {
        let cli = Cli::try_parse_from(["narthex", "status", "--home", "/h"]).unwrap();
        assert_eq!(cli.home, Some(PathBuf::from("/h")));
    }
}
