use std::{env, io, path::Path};

use serde_json::json;

use super::{Context, Exit, Failure, overview, print_json, say, terminal::Paint, text};
use crate::config::{self, Source};

/// `narthex config check`. Notices are shown; only what cannot be used makes it fail.
pub(super) fn check(context: &Context) -> Result<Exit, Failure> {
    let path = context.home()?.config_file();
    let (usable, unusable, problems) = match read(&path) {
        Source::Missing | Source::Empty => (0, 0, Vec::new()),
        Source::Broken(problem) => (0, 1, vec![problem]),
        Source::Read(reading) => {
            let usable = reading.entries.values().filter(|entry| entry.is_ok());
            let usable = usable.count();
            let settings = reading.settings;
            let unusable = reading.entries.len() - usable
                + usize::from(settings.listen.is_not_valid())
                + usize::from(settings.log_level.is_not_valid())
                + usize::from(settings.max_concurrent.is_not_valid());
            (usable, unusable, reading.problems)
        }
    };
    if context.json {
        print_json(&json!({"file": path, "servers": usable, "problems": problems}))?;
    } else {
        overview::print_problems(&mut io::stdout().lock(), &problems, Paint::stdout())?;
        let path = path.to_string_lossy();
        let servers = super::counted(usable, "server");
        say(format!("{}: {servers} can be used", text::printable(&path)))?;
    }
    Ok(if unusable == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// `narthex config path`.
pub(super) fn path(context: &Context) -> Result<Exit, Failure> {
    let path = context.home()?.config_file();
    if context.json {
        print_json(&path)?;
    } else {
        // A path is passed on to other programs as it is.
        say(path.to_string_lossy())?;
    }
    Ok(Exit::Done)
}

/// Reads the file as the core would that is started from here.
pub(super) fn read(path: &Path) -> Source {
    config::read(path, &|name| env::var(name).ok())
}
