use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use jsonc_parser::{ParseOptions, cst::CstRootNode};
use serde_json::{Map, Value, json};

use super::{Context, Exit, Failure, overview, print_json, say, terminal::Paint, text};
use crate::api::wire::Problem;

/// What is in the file.
pub(super) enum Found {
    /// There is no file.
    Missing,
    /// There is nothing in it.
    Empty,
    /// It cannot be read at all.
    Broken(Problem),
    /// It was read; some of it may be unusable.
    Read {
        entries: Map<String, Value>,
        problems: Vec<Problem>,
    },
}

/// `narthex config check`.
pub(super) fn check(context: &Context) -> Result<Exit, Failure> {
    let path = context.home().config_file();
    let (usable, problems) = match read(&path)? {
        Found::Missing | Found::Empty => (0, Vec::new()),
        Found::Broken(problem) => (0, vec![problem]),
        Found::Read { entries, problems } => {
            let bad = |name: &str| problems.iter().any(|p| p.server.as_deref() == Some(name));
            let usable = entries.keys().filter(|name| !bad(name)).count();
            (usable, problems)
        }
    };
    if context.json {
        print_json(&json!({"file": path, "servers": usable, "problems": problems}))?;
    } else {
        overview::print_problems(&mut io::stdout().lock(), &problems, Paint::stdout())?;
        let path = path.to_string_lossy();
        say(format!(
            "{}: {usable} servers can be used",
            text::printable(&path)
        ))?;
    }
    Ok(if problems.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// `narthex config path`.
pub(super) fn path(context: &Context) -> Result<Exit, Failure> {
    let path = context.home().config_file();
    if context.json {
        print_json(&path)?;
    } else {
        // A path is passed on to other programs as it is.
        say(path.to_string_lossy())?;
    }
    Ok(Exit::Done)
}

/// Reads the file as far as its syntax goes; what is in an entry is for `crate::config` to judge.
pub(super) fn read(path: &Path) -> io::Result<Found> {
    let text = match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => return Ok(Found::Empty),
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Missing),
        Err(error) => return Err(error),
    };
    let found = match CstRootNode::parse(&text, &ParseOptions::default()) {
        Ok(root) => Found::Read {
            entries: match root
                .to_serde_value()
                .as_mut()
                .map(|value| value["mcpServers"].take())
            {
                Some(Value::Object(entries)) => entries,
                Some(_) | None => Map::new(),
            },
            problems: Vec::new(),
        },
        Err(error) => Found::Broken(Problem {
            file: path.to_string_lossy().into_owned(),
            line: Some(error.line_display()),
            column: Some(error.column_display()),
            server: None,
            field: None,
            message: error.kind().to_string(),
            remedy: "Correct the file at this place.".to_owned(),
        }),
    };
    Ok(found)
}
