//! A scripted MCP server, well-behaved or not. See `narthex_testkit::script` for its arguments.

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
    thread,
};

use narthex_testkit::{
    bad, bad::Bad, forwarder, http, router, script::Script, scripted::Scripted, stdio,
};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    #[cfg(unix)]
    if let Some(role) = args.first()
        && let Some(code) = narthex_testkit::offspring::run(role, args.get(1).map(String::as_str))
    {
        return code;
    }
    if let [role, rest @ ..] = &args[..]
        && let Some(code) = run_blind(role, rest)
    {
        return code;
    }
    match Script::parse(args) {
        Ok(script) => run(script),
        Err(error) => complain(&error),
    }
}

/// Runs what a gateway is measured against, each on one thread: `--forward URL`,
/// `--bridge COMMAND ARGS…`, `--bytes FILE` or `--route NAME=URL|PROGRAM…`; or a server of the
/// catalogue of misbehaviours: `--bad NAME`, with `ELSEWHERE` where it redirects. `None` when it is
/// none of them.
fn run_blind(role: &str, rest: &[String]) -> Option<ExitCode> {
    let first = rest.first().map(String::as_str).unwrap_or_default();
    if role == "--bad" {
        let elsewhere = rest.get(1).map(String::as_str);
        return Some(match Bad::of(first) {
            Some(bad) => bad::serve(bad, elsewhere),
            None => complain(&format!("no misbehaviour is called `{first}`")),
        });
    }
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    let done = match role {
        "--forward" => match first.parse() {
            Ok(to) => runtime().and_then(|runtime| runtime.block_on(forwarder::forward(to))),
            Err(error) => Err(io::Error::other(error)),
        },
        "--bridge" => runtime().and_then(|runtime| {
            let mut command = tokio::process::Command::new(first);
            command.args(rest.iter().skip(1));
            runtime.block_on(forwarder::stdio_bridge(command))
        }),
        "--bytes" => {
            runtime().and_then(|runtime| runtime.block_on(forwarder::bytes(first.as_ref())))
        }
        "--route" => router::run(rest),
        _ => return None,
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string()),
    })
}

fn run(script: Script) -> ExitCode {
    if let Some(text) = &script.stderr {
        // Nobody may be listening, and the server works all the same.
        let _ = writeln!(io::stderr(), "{text}");
    }
    if let Some(code) = script.exit_at_once {
        return ExitCode::from(code);
    }
    #[cfg(unix)]
    if let Err(error) = prepare(&script) {
        return complain(&error.to_string());
    }
    if let Some(delay) = script.start_delay {
        thread::sleep(delay);
    }
    match script.http.clone() {
        Some(http) => http::serve(Scripted::new(script), http),
        None => stdio::serve(Scripted::new(script)),
    }
}

#[cfg(unix)]
fn prepare(script: &Script) -> io::Result<()> {
    use narthex_testkit::offspring;

    if script.deaf {
        offspring::ignore_polite_signals();
    }
    offspring::start_children(script.children)?;
    if let Some(pid_file) = &script.daemon {
        offspring::start_daemon(pid_file)?;
    }
    Ok(())
}

fn complain(error: &str) -> ExitCode {
    // Where the complaint cannot be written, the exit code says it.
    let _ = writeln!(io::stderr(), "narthex-testkit-server: {error}");
    ExitCode::from(2)
}
