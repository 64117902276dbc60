use std::{
    collections::{BTreeMap, btree_map},
    fs,
    io::{self, Read},
    path::Path,
};

use jsonc_parser::{
    ast::{Object, ObjectProp, Value},
    common::{Range, Ranged},
};

use super::{
    entry::Entry,
    page::{Page, kind, range, without_mark},
    settings::{self, Settings},
};
use crate::{
    api::wire::Problem,
    server::{ServerName, Spec},
};

/// The key of the servers.
pub(super) const SERVERS: &str = "mcpServers";

/// Where other programs keep their servers.
const SERVERS_ELSEWHERE: [&str; 4] = ["servers", "context_servers", "mcp", "mcp_servers"];

/// More than any person writes; it keeps a wrong file from filling the memory.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How [`bytes`] refuses what cannot be the person's file.
const NOT_THE_FILE: [io::ErrorKind; 3] = [
    io::ErrorKind::IsADirectory,
    io::ErrorKind::InvalidInput,
    io::ErrorKind::FileTooLarge,
];

/// What stands in a file that can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The entries by name; one that cannot be used holds the reason.
    pub entries: BTreeMap<ServerName, Result<Spec, Problem>>,
    /// What stands beside the servers.
    pub settings: Settings,
    /// Everything there is to say about the file: the problems of the entries and the settings, and
    /// notices about what can be used but is hardly meant so.
    pub problems: Vec<Problem>,
}

/// What reading the file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// It was read; single entries may have problems.
    Read(Reading),
    /// Nothing of it can be used.
    Broken(Problem),
    /// There is no file.
    Missing,
    /// Nothing stands in it but white space.
    Empty,
}

/// Reads the file at `path`, with references to variables resolved by `env`. A relative `cwd` is
/// relative to the file's folder.
pub fn read(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Source {
    match text(path) {
        Ok(Some(text)) if is_blank(&text) => Source::Empty,
        Ok(Some(text)) => match parse(path, &text, env) {
            Ok(reading) => Source::Read(reading),
            Err(problem) => Source::Broken(*problem),
        },
        Ok(None) => Source::Missing,
        Err(problem) => Source::Broken(*problem),
    }
}

/// Checks `entry` as if it stood under `name` in the file at `path`: the problem is the same,
/// without line and column.
///
/// # Errors
/// When the name or the entry cannot be used, and why.
pub fn check_entry(
    path: &Path,
    name: &str,
    entry: &serde_json::Value,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(ServerName, Spec), Box<Problem>> {
    let text = serde_json::json!({ name: entry }).to_string();
    let page = Page::of_wire(path, &text);
    let value = page.parse()?;
    let property = value
        .as_ref()
        .and_then(Value::as_object)
        .and_then(|object| object.properties.first())
        .ok_or_else(|| page.problem(None, "There is no entry.", "Add one."))?;
    let entry = Entry {
        page: &page,
        property,
        env,
    };
    Ok((entry.name()?, entry.spec()?))
}

/// The text of the file, or `None` where there is none.
pub(super) fn text(path: &Path) -> Result<Option<String>, Box<Problem>> {
    let unreadable =
        |message: String, remedy: &str| Err(Page::of_file(path, "").problem(None, message, remedy));
    let bytes = match bytes(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(error) => {
            let kind = error.kind();
            let remedy = if kind == io::ErrorKind::PermissionDenied {
                "Give yourself the right to read the file and the folders above it."
            } else if NOT_THE_FILE.contains(&kind) {
                "Put the file in its place that is meant."
            } else {
                "Look at the file and at the disk it lies on."
            };
            return unreadable(format!("The file cannot be read: {error}."), remedy);
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
            let at = Range::from_byte_index(valid);
            Err(Page::of_file(path, &text).problem(
                Some(at),
                "The file is not text in UTF-8.",
                "Save it in the encoding UTF-8.",
            ))
        }
    }
}

/// Nothing but a plain file is opened: a pipe would keep the reader waiting.
fn bytes(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if found.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a folder",
        ));
    }
    if !found.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no plain file",
        ));
    }
    let mut bytes = Vec::new();
    let read = fs::File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is larger than 16 MB",
        ));
    }
    Ok(Some(bytes))
}

pub(super) fn is_blank(text: &str) -> bool {
    without_mark(text).trim().is_empty()
}

/// Reads `text` as the content of the file at `path`.
pub(super) fn parse(
    path: &Path,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Reading, Box<Problem>> {
    let page = Page::of_file(path, text);
    let value = page.parse()?;
    let root = root(&page, value.as_ref())?;
    let mut reading = Reading::default();
    reading.settings = settings::read(&page, root, &mut reading.problems);
    match servers(&page, root)? {
        Some(servers) => read_entries(&page, servers, env, &mut reading),
        None => reading.problems.push(without_servers(&page, root)),
    }
    Ok(reading)
}

/// The object that the file must hold.
pub(super) fn root<'v, 'a>(
    page: &Page<'_>,
    value: Option<&'v Value<'a>>,
) -> Result<&'v Object<'a>, Box<Problem>> {
    let remedy = "Write `{\"mcpServers\": {}}` around the servers.";
    match value {
        Some(Value::Object(root)) => Ok(root),
        Some(other) => Err(page.problem(
            Some(range(other)),
            format!("The file holds {}; it must hold an object.", kind(other)),
            remedy,
        )),
        None => Err(page.problem(None, "Nothing but comments stands in the file.", remedy)),
    }
}

/// The object of the servers, or `None` where there is none.
pub(super) fn servers<'v, 'a>(
    page: &Page<'_>,
    root: &'v Object<'a>,
) -> Result<Option<&'v Object<'a>>, Box<Problem>> {
    let mut found = root
        .properties
        .iter()
        .filter(|property| property.name.as_str() == SERVERS);
    let Some(first) = found.next() else {
        return Ok(None);
    };
    if let Some(second) = found.next() {
        let mut problem = page.problem(
            Some(second.name.range()),
            format!(
                "`{SERVERS}` is there twice, first on line {}.",
                page.line(first.name.range())
            ),
            "Put all servers under one of them.",
        );
        problem.field = Some(SERVERS.to_owned());
        return Err(problem);
    }
    first.value.as_object().map(Some).ok_or_else(|| {
        let mut problem = page.problem(
            Some(range(&first.value)),
            format!(
                "`{SERVERS}` is {}; it must be an object.",
                kind(&first.value)
            ),
            "Write the servers as `{\"name\": {\"command\": …}}`.",
        );
        problem.field = Some(SERVERS.to_owned());
        problem
    })
}

fn read_entries(
    page: &Page<'_>,
    servers: &Object<'_>,
    env: &dyn Fn(&str) -> Option<String>,
    reading: &mut Reading,
) {
    let mut places = BTreeMap::new();
    for property in &servers.properties {
        let entry = Entry {
            page,
            property,
            env,
        };
        let name = match entry.name() {
            Ok(name) => name,
            Err(problem) => {
                reading.problems.push(*problem);
                continue;
            }
        };
        match places.entry(name.clone()) {
            btree_map::Entry::Vacant(place) => {
                place.insert(property.name.range());
                let spec = entry.spec().map_err(|problem| *problem);
                reading.problems.extend(spec.as_ref().err().cloned());
                reading.problems.extend(entry.notices());
                reading.entries.insert(name, spec);
            }
            btree_map::Entry::Occupied(first) => {
                let problem = twice(page, property, page.line(*first.get()));
                reading.problems.push(problem.clone());
                reading.entries.insert(name, Err(problem));
            }
        }
    }
}

/// Of two entries with one name the last would win in most programs; which one a person approved
/// is not for the order of lines to decide.
pub(super) fn twice(page: &Page<'_>, property: &ObjectProp<'_>, first: usize) -> Problem {
    let name = property.name.as_str();
    let mut problem = page.problem(
        Some(property.name.range()),
        format!("A server called `{name}` is there twice, first on line {first}."),
        "Rename or remove one of them.",
    );
    problem.server = Some(name.to_owned());
    *problem
}

fn without_servers(page: &Page<'_>, root: &Object<'_>) -> Problem {
    let elsewhere = root
        .properties
        .iter()
        .find(|property| SERVERS_ELSEWHERE.contains(&property.name.as_str()));
    let bare = root.properties.iter().find(|property| {
        property
            .value
            .as_object()
            .is_some_and(|entry| entry.get("command").is_some() || entry.get("url").is_some())
    });
    let (place, remedy) = match (elsewhere, bare) {
        (Some(property), _) => (
            property.name.range(),
            format!(
                "Rename `{}` to `{SERVERS}` if the servers stand there.",
                property.name.as_str()
            ),
        ),
        (None, Some(property)) => (
            property.name.range(),
            format!(
                "Put the servers, such as `{}`, under `{SERVERS}`.",
                property.name.as_str()
            ),
        ),
        (None, None) => (
            root.range(),
            format!("Add `\"{SERVERS}\": {{}}` and the servers in it."),
        ),
    };
    let mut notice = page.problem(
        Some(place),
        format!("No servers are configured: `{SERVERS}` is missing."),
        remedy,
    );
    notice.field = Some(SERVERS.to_owned());
    *notice
}
