use std::{
    env,
    path::{Path, PathBuf},
};

/// Names the program to start as the desktop; an empty one means that there is none.
const VARIABLE: &str = "NARTHEX_DESKTOP";

const PROGRAM: &str = "narthex-desktop";

/// Returns the desktop's program, where one is found and a display is there for it.
pub(super) fn program() -> Option<PathBuf> {
    if !has_display() {
        return None;
    }
    let named = env::var_os(VARIABLE).map(PathBuf::from);
    let own = env::current_exe().ok();
    let folder = own.as_deref().and_then(Path::parent);
    let path = env::var_os("PATH").unwrap_or_default();
    find(
        named,
        folder
            .into_iter()
            .map(Path::to_owned)
            .chain(env::split_paths(&path)),
    )
}

/// Returns the program that is `named`, or the first one in `folders`.
fn find(named: Option<PathBuf>, folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    if let Some(named) = named {
        return Some(named).filter(|named| !named.as_os_str().is_empty());
    }
    let name = format!("{PROGRAM}{}", env::consts::EXE_SUFFIX);
    let mut candidates = folders.map(|folder| folder.join(&name));
    candidates.find(|candidate| candidate.is_file())
}

/// Whether there may be a display. The desktop itself finds out whether the one that is named is
/// there.
fn has_display() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_stands_above_what_lies_beside() {
        let (beside, on_path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = || [beside.path().to_owned(), on_path.path().to_owned()].into_iter();
        let name = format!("{PROGRAM}{}", env::consts::EXE_SUFFIX);
        assert_eq!(find(None, folders()), None);

        std::fs::write(on_path.path().join(&name), "").unwrap();
        assert_eq!(find(None, folders()), Some(on_path.path().join(&name)));
        std::fs::write(beside.path().join(&name), "").unwrap();
        assert_eq!(find(None, folders()), Some(beside.path().join(&name)));

        assert_eq!(find(Some("/x".into()), folders()), Some("/x".into()));
        assert_eq!(find(Some("".into()), folders()), None);
    }
}
