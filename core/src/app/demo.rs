//! What the first start offers a newcomer: two demo servers, one let in because it is ours, one in
//! quarantine.

use anyhow::Context as _;

use crate::{
    config::{self, ConfigFile},
    server::ServerName,
    trust::{Contents, LaunchKey, Store, Write},
};

/// The demo that is let in.
const WELCOME: &str = "demo";

/// The demo that waits for a review.
const NEWCOMER: &str = "demo-newcomer";

/// Writes the two entries where no configuration is, and lets the first one in.
pub(super) async fn offer(
    file: &ConfigFile,
    store: &Store,
    contents: &mut Contents,
) -> anyhow::Result<()> {
    if file.path().exists() {
        return Ok(());
    }
    let program = std::env::current_exe().context("failed to find the running program")?;
    let program = if program.file_stem().is_some_and(|stem| stem == "narthex") {
        program
    } else {
        // The desktop's own binary is no demo server; the command line beside it is.
        program.with_file_name(format!("narthex{}", std::env::consts::EXE_SUFFIX))
    };
    let entry = serde_json::json!({ "command": program.to_string_lossy(), "args": ["demo"] });
    let (welcome, newcomer) = (ServerName::new(WELCOME)?, ServerName::new(NEWCOMER)?);
    file.add(&welcome, &entry)?;
    file.add(&newcomer, &entry)?;
    let (_, spec) = config::check_entry(file.path(), WELCOME, &entry, &|name| {
        std::env::var(name).ok()
    })
    .map_err(|problem| anyhow::anyhow!(problem.message))?;
    let launch = LaunchKey::new(&contents.launch_key).id_of(&spec);
    let ledger = contents.ledgers.entry(welcome.clone()).or_default();
    ledger.approved.insert(launch.clone());
    ledger.first_seen = true;
    store
        .write(vec![
            Write::Approve {
                server: welcome.clone(),
                launch,
            },
            Write::FirstSeen { server: welcome },
        ])
        .await?;
    Ok(())
}
