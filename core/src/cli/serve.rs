use std::{
    env,
    io::{self, IsTerminal, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::Mutex,
};

use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::{Context, Exit, Failure, args::Serve, say};
use crate::{
    app::{Core, EndSignal, Held, ServeOptions},
    home::{HolderKind, Home},
    runtime,
};

/// `narthex serve`.
pub(super) fn run(context: Context, options: Serve) -> ExitCode {
    log(context.home.clone());
    let json = options.json || context.json;
    let until_unused = options.until_unused;
    let options = ServeOptions {
        home: context.home,
        listen: options.listen,
        trust_config: options.trust_config,
        no_client_auth: options.no_client_auth,
    };
    let served = runtime::of_core()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let served = runtime.block_on(serve(options, json, until_unused));
            // The core has ended what it started; a blocked thread must not keep it.
            runtime.shutdown_background();
            served
        });
    match served {
        Ok(()) => Exit::Done.into(),
        Err(error) => failure(&error).tell(),
    }
}

/// Runs a core until it is told to end, or, where that is wanted, until nobody uses it.
async fn serve(options: ServeOptions, json: bool, until_unused: bool) -> anyhow::Result<()> {
    // Before anything is started, so that no signal finds servers that nobody ends.
    let told = EndSignal::listen()?;
    let core = Core::start(options, HolderKind::Serve).await?;
    announce(&core, json)?;
    tokio::select! {
        () = told.wait() => tracing::info!("ending"),
        () = core.unused(), if until_unused => tracing::info!("ending, as nobody uses it"),
    }
    core.stop().await;
    Ok(())
}

/// Says where the core is reached.
fn announce(core: &Core, json: bool) -> io::Result<()> {
    let mcp = format!("http://{}/mcp", core.address());
    let home = core.home().folder().display().to_string();
    if json {
        let ready = serde_json::json!({
            "listening": core.address().to_string(),
            "mcp": mcp,
            "pid": std::process::id(),
            "home": home,
        });
        let mut output = io::stdout().lock();
        writeln!(output, "{ready}")?;
        return output.flush();
    }
    let token = core.home().client_token();
    say(format!(
        "Narthex listens at {mcp}\n\n\
         Connect a client, for example Claude Code:\n  \
         claude mcp add --transport http narthex {mcp} \\\n    \
         --header \"Authorization: Bearer $(cat {})\"\n\
         More clients, each with a token of its own: narthex client add NAME\n\n\
         See and steer the servers from another terminal:\n  \
         narthex servers        what there is\n  \
         narthex approve NAME   let one in\n  \
         narthex events         what happens\n\n\
         Home: {home}\nEnd with Ctrl-C.",
        token.display()
    ))
}

/// Returns what to tell about a core that did not start.
fn failure(error: &anyhow::Error) -> Failure {
    match error.downcast_ref::<Held>() {
        Some(held @ (Held::Home { .. } | Held::HomeBy(_))) => {
            Failure::new(Exit::Held, held.to_string())
                .remedy("Use the one that runs, or end it first.")
        }
        Some(held @ Held::Port { .. }) => Failure::new(Exit::Held, held.to_string())
            .remedy("End the other program, or choose another port: --listen 127.0.0.1:PORT"),
        Some(held @ Held::NotLoopback(_)) => {
            Failure::new(Exit::Usage, held.to_string()).remedy("Use --listen 127.0.0.1:PORT")
        }
        None => Failure::new(Exit::Failed, format!("{error:#}")),
    }
}

/// Days of which the core's own log is kept.
const LOG_DAYS: usize = 7;

/// Writes the log to standard error, since standard output belongs to the line of `--json`, and to
/// a file a day in the home folder.
fn log(home: Option<PathBuf>) {
    let asked = env::var("NARTHEX_LOG").unwrap_or_default();
    // What cannot be understood must not silence the rest.
    let filter: Targets = asked.parse().unwrap_or_default();
    let filter = if asked.is_empty() {
        filter.with_default(LevelFilter::INFO)
    } else {
        filter
    };
    let terminal = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let file =
        log_file(home).map(|file| fmt::layer().with_ansi(false).with_writer(Mutex::new(file)));
    tracing_subscriber::registry()
        .with(filter)
        .with(terminal)
        .with(file)
        .init();
}

/// Opens the file; a home that cannot be used is told by what comes next.
fn log_file(home: Option<PathBuf>) -> Option<RollingFileAppender> {
    let home = Home::locate(home).ok()?;
    home.create().ok()?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("narthex")
        .filename_suffix("log")
        .max_log_files(LOG_DAYS)
        .build(home.logs_dir())
        .ok()
}
