//! `narthex.json`: what a person configured, read, watched and edited with care.
//!
//! The file is theirs. Reading turns it into [`Spec`]s and into [`Problem`]s that say where and
//! what to do; one bad entry costs only itself. It is written only when somebody asks for an edit,
//! and then nothing outside the edited place changes. The module keeps no state: which
//! configuration was the last good one is known to whoever reads.

mod append;
mod backup;
mod duration;
mod edit;
mod entry;
mod field;
mod file;
mod page;
mod read;
mod reference;
mod replace;
mod settings;
mod spelling;
mod transport;
mod watch;

#[cfg(test)]
mod tests;

pub use edit::merge;
pub use file::{ConfigFile, EditError};
pub use read::{Reading, Source, check_entry, read};
pub use settings::{BadSetting, LISTEN, LOG_LEVEL, Setting, Settings, listen, log_level};
pub use watch::{WatchError, Watcher, watch};

#[cfg(doc)]
use crate::{api::wire::Problem, server::Spec};
