use std::net::SocketAddr;

use jsonc_parser::{
    ast::{Object, ObjectProp, Value},
    common::Ranged,
};

use super::{
    entry::CONCURRENT_MAX,
    page::{Page, kind, range},
    spelling,
};
use crate::api::wire::{LogLevel, Problem};

/// The key of the address.
pub const LISTEN: &str = "listen";

/// The key of the log level.
pub const LOG_LEVEL: &str = "logLevel";

/// The key of how many calls may be in flight at all servers together.
pub(super) const MAX_CONCURRENT: &str = "maxConcurrent";

/// What stands in the file beside the servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen.
    pub listen: Setting<SocketAddr>,
    /// How much to log.
    pub log_level: Setting<LogLevel>,
    /// How many calls may be in flight at all servers together.
    pub max_concurrent: Setting<usize>,
}

/// One setting as it stands in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Setting<T> {
    /// It is not given.
    #[default]
    Unset,
    /// It is given.
    Is(T),
    /// What is given cannot be used; a problem says why.
    NotValid,
}

impl<T> Setting<T> {
    /// Returns what is configured: what was before, where what is there cannot be used.
    pub fn or_last(self, last: Option<T>) -> Option<T> {
        match self {
            Self::Unset => None,
            Self::Is(value) => Some(value),
            Self::NotValid => last,
        }
    }

    /// Whether what is given cannot be used.
    pub const fn is_not_valid(&self) -> bool {
        matches!(self, Self::NotValid)
    }
}

/// Why a value cannot be used, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSetting {
    /// What is wrong.
    pub message: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Reads an address to listen at.
///
/// # Errors
/// When it is none, or not one of this machine's loopback.
pub fn listen(text: &str) -> Result<SocketAddr, BadSetting> {
    let address: SocketAddr = text.parse().map_err(|_| BadSetting {
        message: "This is not an address with a port.",
        remedy: "Write it as \"127.0.0.1:7410\".",
    })?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(BadSetting {
            message: "This is not a loopback address: Narthex listens on this machine alone.",
            remedy: "Write it as \"127.0.0.1:7410\".",
        })
    }
}

/// Reads a log level.
///
/// # Errors
/// When it is none.
pub fn log_level(text: &str) -> Result<LogLevel, BadSetting> {
    let mut levels = LogLevel::ALL.into_iter();
    levels
        .find(|level| level.as_str() == text)
        .ok_or(BadSetting {
            message: "This is not a log level.",
            remedy: "Write \"error\", \"warn\", \"info\", \"debug\" or \"trace\".",
        })
}

/// Reads the settings, and adds what there is to say about them.
pub(super) fn read(page: &Page<'_>, root: &Object<'_>, problems: &mut Vec<Problem>) -> Settings {
    problems.extend(root.properties.iter().filter_map(|it| misspelled(page, it)));
    Settings {
        listen: setting(page, root, LISTEN, text(LISTEN, listen), problems),
        log_level: setting(page, root, LOG_LEVEL, text(LOG_LEVEL, log_level), problems),
        max_concurrent: setting(page, root, MAX_CONCURRENT, max_concurrent, problems),
    }
}

/// Why a value cannot be used, and what to do about it.
type Bad = (String, String);

/// Reads a text.
fn text<T>(
    key: &str,
    read: impl Fn(&str) -> Result<T, BadSetting>,
) -> impl Fn(&Value<'_>) -> Result<T, Bad> {
    move |value| match value.as_string_lit().map(|text| read(&text.value)) {
        Some(Ok(value)) => Ok(value),
        Some(Err(bad)) => Err((bad.message.to_owned(), bad.remedy.to_owned())),
        None => Err((
            format!("`{key}` is {}; it must be a text.", kind(value)),
            "Write it in quotes.".to_owned(),
        )),
    }
}

fn max_concurrent(value: &Value<'_>) -> Result<usize, Bad> {
    let remedy = || format!("Write a whole number from 1 to {CONCURRENT_MAX}.");
    let Some(number) = value.as_number_lit() else {
        let message = format!(
            "`{MAX_CONCURRENT}` is {}; it must be a number.",
            kind(value)
        );
        return Err((message, remedy()));
    };
    match number.value.parse() {
        Ok(count) if (1..=CONCURRENT_MAX).contains(&count) => Ok(count),
        Ok(_) | Err(_) => Err((
            format!(
                "`{MAX_CONCURRENT}` is {}; it must be a whole number from 1 to {CONCURRENT_MAX}.",
                number.value
            ),
            remedy(),
        )),
    }
}

fn setting<T>(
    page: &Page<'_>,
    root: &Object<'_>,
    key: &str,
    read: impl Fn(&Value<'_>) -> Result<T, Bad>,
    problems: &mut Vec<Problem>,
) -> Setting<T> {
    let value = match only(page, root, key) {
        Ok(Some(property)) => &property.value,
        Ok(None) => return Setting::Unset,
        Err(problem) => {
            problems.push(*problem);
            return Setting::NotValid;
        }
    };
    if value.as_null_keyword().is_some() {
        return Setting::Unset;
    }
    match read(value) {
        Ok(value) => Setting::Is(value),
        Err((message, remedy)) => {
            let mut problem = page.problem(Some(range(value)), message, remedy);
            problem.field = Some(key.to_owned());
            problems.push(*problem);
            Setting::NotValid
        }
    }
}

/// Returns the property `key`, where it is there once.
pub(super) fn only<'v, 'a>(
    page: &Page<'_>,
    root: &'v Object<'a>,
    key: &str,
) -> Result<Option<&'v ObjectProp<'a>>, Box<Problem>> {
    let of_this_name = |property: &&ObjectProp<'_>| property.name.as_str() == key;
    let mut found = root.properties.iter().filter(of_this_name);
    let first = found.next();
    let (Some(first), Some(second)) = (first, found.next()) else {
        return Ok(first);
    };
    let line = page.line(first.name.range());
    let mut problem = page.problem(
        Some(second.name.range()),
        format!("`{key}` is there twice, first on line {line}."),
        "Remove one of them.",
    );
    problem.field = Some(key.to_owned());
    Err(problem)
}

fn misspelled(page: &Page<'_>, property: &ObjectProp<'_>) -> Option<Problem> {
    let key = property.name.as_str();
    let meant = spelling::meant_setting(key)?;
    let mut notice = page.problem(
        Some(property.name.range()),
        format!("`{key}` is not a key that Narthex knows, and is ignored."),
        format!("Write `{meant}` if that is what is meant."),
    );
    notice.field = Some(key.to_owned());
    Some(*notice)
}
