use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use super::{Context, Exit, Failure, args::Serve, print_json, say};
use crate::{
    app::{Core, EndSignal, Held, ServeOptions},
    home::HolderKind,
    log, runtime,
};

/// `narthex serve`.
pub(super) fn run(context: Context, options: Serve) -> ExitCode {
    let log = log::init(context.home.clone());
    let json = options.json || context.json;
    let until_unused = options.until_unused;
    let options = ServeOptions {
        home: context.home,
        listen: options.listen,
        trust_config: options.trust_config,
        no_client_auth: options.no_client_auth,
        until_unused,
        log,
    };
    let served = runtime::of_core()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let served = runtime.block_on(serve(options, json));
            // The core has ended what it started; a blocked thread must not keep it.
            runtime.shutdown_background();
            served
        });
    match served {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            let failure = failure(&error);
            if until_unused {
                // Whoever started it for a client reads it there.
                let _ = print_json(&failure.said());
            }
            failure.tell()
        }
    }
}

/// Runs a core until it is told to end, or, where that is wanted, until nobody uses it.
async fn serve(options: ServeOptions, json: bool) -> anyhow::Result<()> {
    let until_unused = options.until_unused;
    // Before anything is started, so that no signal finds servers that nobody ends.
    let told = EndSignal::listen()?;
    let core = Core::start(options, HolderKind::Serve).await?;
    // The bridge that started it may have found it by its lock already, and listen no more.
    let announced = announce(&core, json);
    if !until_unused {
        announced?;
    }
    tokio::select! {
        () = told.wait() => tracing::info!("ending"),
        () = core.unused(), if until_unused => tracing::info!("ending, as nobody uses it"),
        () = core.handed_over() => tracing::info!("ending, as a desktop takes over"),
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
    let Some(held) = error.downcast_ref::<Held>() else {
        return Failure::new(Exit::Failed, format!("{error:#}"));
    };
    let exit = match held {
        Held::Home { .. } | Held::HomeBy(_) | Held::Port { .. } => Exit::Held,
        Held::NotLoopback(_) => Exit::Usage,
    };
    Failure::new(exit, held.to_string()).remedy(held.remedy())
}
