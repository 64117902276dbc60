use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use jsonc_parser::{
    ast::{Object, ObjectProp},
    common::Ranged,
};
use serde_json::{Map, Value};

use super::{
    backup,
    edit::{self, Edit},
    page::Page,
    read, replace, settings,
};
use crate::{api::wire::Problem, server::ServerName};

/// What a file starts as that an edit has to make.
const NEW_FILE: &str = "\
// The MCP servers that Narthex runs, each once a person has approved it.
// Comments and trailing commas are welcome; changes are picked up when the file is saved.
{
  \"mcpServers\": {}
}
";

/// How often an edit starts again because the file was saved by somebody else meanwhile.
const TRIES: u32 = 10;

/// The person's file, for edits of single entries and settings.
///
/// An edit changes what it names and nothing else, keeps a copy of the file as it was, and replaces it
/// in one step. Edits of any number of processes happen one after the other. An edit that changes
/// nothing writes nothing.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
    backups: PathBuf,
}

/// Why an edit was not made; the file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// A server of that name is there already.
    #[error("a server called `{0}` is in the file already")]
    Exists(ServerName),
    /// No server of that name is there.
    #[error("no server called `{0}` is in the file")]
    NotFound(ServerName),
    /// The entry, or what a patch would leave of it, is no object.
    #[error("an entry must be an object")]
    NotAnObject,
    /// The file cannot be read, so it cannot be edited safely. With two servers of that name it is
    /// not clear which one is meant.
    #[error("the file cannot be edited as it stands: {}", .0.message)]
    Broken(Box<Problem>),
    /// The edit would have changed something besides the entry.
    #[error("the entry cannot be edited without changing what stands around it")]
    Entangled,
    /// The file or its copy could not be written.
    #[error("failed to {doing} {path}", path = path.display())]
    Io {
        /// What was tried: `read`, `lock`, `back up to`, `replace`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ConfigFile {
    /// The file at `path`, with copies kept in the folder `backups`.
    pub fn new(path: PathBuf, backups: PathBuf) -> Self {
        Self { path, backups }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an entry behind the others. A file that is missing or empty is made.
    ///
    /// # Errors
    /// When the name is taken, the entry is no object, or the file cannot be edited.
    pub fn add(&self, name: &ServerName, entry: &Value) -> Result<(), EditError> {
        self.edit(name, Edit::Add(entry))
    }

    /// Applies a merge patch (RFC 7386) to an entry.
    ///
    /// # Errors
    /// When there is no such entry, the patch is no object, or the file cannot be edited.
    pub fn patch(&self, name: &ServerName, merge_patch: &Value) -> Result<(), EditError> {
        self.edit(name, Edit::Patch(merge_patch))
    }

    /// Takes an entry out, with the comments on its lines; those above it stay.
    ///
    /// # Errors
    /// When there is no such entry, or the file cannot be edited.
    pub fn remove(&self, name: &ServerName) -> Result<(), EditError> {
        self.edit(name, Edit::Remove)
    }

    /// Applies a merge patch (RFC 7386) to what stands beside the servers. A file that is missing or
    /// empty is made.
    ///
    /// # Errors
    /// When one of the keys is there twice, or the file cannot be edited.
    pub fn set(&self, merge_patch: &Map<String, Value>) -> Result<(), EditError> {
        self.rewrite(|text| {
            let base = begun(text);
            let page = Page::of_file(&self.path, base);
            let value = page.parse().map_err(EditError::Broken)?;
            let root = read::root(&page, value.as_ref()).map_err(EditError::Broken)?;
            for key in merge_patch.keys() {
                settings::only(&page, root, key).map_err(EditError::Broken)?;
            }
            let edited = edit::set(base, merge_patch).ok_or(EditError::Entangled)?;
            Ok(if edited == base {
                text.to_owned()
            } else {
                edited
            })
        })
    }

    /// Returns an entry as it stands in the file, with its references unresolved.
    ///
    /// # Errors
    /// When there is no such entry, or the file cannot be read.
    pub fn entry(&self, name: &ServerName) -> Result<Value, EditError> {
        let text = self.text()?.unwrap_or_default();
        self.find(name, &text)?
            .ok_or_else(|| EditError::NotFound(name.clone()))
    }

    fn edit(&self, name: &ServerName, edit: Edit<'_>) -> Result<(), EditError> {
        if let Edit::Add(value) | Edit::Patch(value) = edit
            && !value.is_object()
        {
            return Err(EditError::NotAnObject);
        }
        self.rewrite(|text| {
            let found = self.find(name, text)?.is_some();
            match edit {
                Edit::Add(_) if found => return Err(EditError::Exists(name.clone())),
                Edit::Patch(_) | Edit::Remove if !found => {
                    return Err(EditError::NotFound(name.clone()));
                }
                Edit::Add(_) | Edit::Patch(_) | Edit::Remove => {}
            }
            edit::apply(begun(text), name.as_str(), edit).ok_or(EditError::Entangled)
        })
    }

    /// Puts what `edited` makes of the text in its place.
    fn rewrite(&self, edited: impl Fn(&str) -> Result<String, EditError>) -> Result<(), EditError> {
        let _lock = self.lock()?;
        for _ in 0..TRIES {
            let before = self.text()?;
            let text = before.as_deref().unwrap_or_default();
            let after = edited(text)?;
            if after == text || self.replace(before.as_deref(), &after)? {
                return Ok(());
            }
        }
        Err(self.failed("replace", io::ErrorKind::ResourceBusy.into()))
    }

    /// Puts `after` in the file's place, unless it is no longer as it was `before`: an editor does
    /// not wait for our lock.
    fn replace(&self, before: Option<&str>, after: &str) -> Result<bool, EditError> {
        let prepared =
            replace::prepare(&self.path, after).map_err(|source| self.failed("replace", source))?;
        if let Some(text) = before.filter(|text| !text.is_empty()) {
            backup::keep(&self.backups, text).map_err(|source| EditError::Io {
                doing: "back up to",
                path: self.backups.clone(),
                source,
            })?;
        }
        if self.text()?.as_deref() != before {
            return Ok(false);
        }
        prepared
            .commit()
            .map_err(|source| self.failed("replace", source))?;
        Ok(true)
    }

    fn text(&self) -> Result<Option<String>, EditError> {
        read::text(&self.path).map_err(EditError::Broken)
    }

    /// The entry, if the file can be edited at all.
    fn find(&self, name: &ServerName, text: &str) -> Result<Option<Value>, EditError> {
        if read::is_blank(text) {
            return Ok(None);
        }
        let page = Page::of_file(&self.path, text);
        let value = page.parse().map_err(EditError::Broken)?;
        let root = read::root(&page, value.as_ref()).map_err(EditError::Broken)?;
        let servers = read::servers(&page, root).map_err(EditError::Broken)?;
        let mut found = servers.into_iter().flat_map(|servers| named(servers, name));
        let first = found.next();
        if let (Some(first), Some(second)) = (first, found.next()) {
            let problem = read::twice(&page, second, page.line(first.name.range()));
            return Err(EditError::Broken(Box::new(problem)));
        }
        Ok(first.map(|property| property.value.clone().into()))
    }

    /// The lock lies among the copies, out of the person's sight and of the watcher's.
    fn lock(&self) -> Result<File, EditError> {
        let path = self.backups.join(".lock");
        let lock = || {
            fs::create_dir_all(&self.backups)?;
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|source| EditError::Io {
            doing: "lock",
            path: path.clone(),
            source,
        })
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> EditError {
        EditError::Io {
            doing,
            path: self.path.clone(),
            source,
        }
    }
}

/// What an edit begins with: a file in which nothing stands is made.
fn begun(text: &str) -> &str {
    if read::is_blank(text) { NEW_FILE } else { text }
}

fn named<'v, 'a>(
    servers: &'v Object<'a>,
    name: &ServerName,
) -> impl Iterator<Item = &'v ObjectProp<'a>> {
    servers
        .properties
        .iter()
        .filter(move |property| property.name.as_str() == name.as_str())
}
