use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// A chain longer than this goes in a circle.
const LINKS_MAX: usize = 40;

/// A new text, on the disk beside the file whose place it takes.
pub(super) struct Prepared {
    file: NamedTempFile,
    target: PathBuf,
}

/// Writes `text` beside the file at `path`, with the same permissions; a file that is not there
/// yet is for this person only. Where `path` is a symbolic link, it is about what the link points
/// to, and the link stays.
pub(super) fn prepare(path: &Path, text: &str) -> io::Result<Prepared> {
    let target = target(path)?;
    let folder = target.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".narthex.json-")
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    match fs::metadata(&target) {
        Ok(found) => file.as_file().set_permissions(found.permissions())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    file.as_file().sync_all()?;
    Ok(Prepared { file, target })
}

impl Prepared {
    /// Takes the file's place. After a loss of power it is there whole, old or new.
    pub(super) fn commit(self) -> io::Result<()> {
        self.file.persist(&self.target)?;
        sync_folder(&self.target)
    }
}

/// Every file on the way from `path` through symbolic links to what they point to, which need not
/// exist.
pub(super) fn links(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut chain = vec![path.to_owned()];
    let mut at = path.to_owned();
    while let Ok(to) = fs::read_link(&at) {
        if chain.len() > LINKS_MAX {
            return Err(io::Error::other("too many symbolic links"));
        }
        at = at.parent().unwrap_or_else(|| Path::new(".")).join(to);
        chain.push(at.clone());
    }
    Ok(chain)
}

fn target(path: &Path) -> io::Result<PathBuf> {
    Ok(links(path)?.pop().unwrap_or_else(|| path.to_owned()))
}

#[cfg(unix)]
fn sync_folder(target: &Path) -> io::Result<()> {
    let folder = target.parent().unwrap_or_else(|| Path::new("."));
    fs::File::open(folder)?.sync_all()
}

/// Other systems do not open folders.
#[cfg(not(unix))]
fn sync_folder(_target: &Path) -> io::Result<()> {
    Ok(())
}
