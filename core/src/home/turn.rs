use std::{
    fs::{File, TryLockError},
    io,
};

use super::{Home, lock::open};

/// The turn to bring a core up, or to take one over. Of many who want to, one has it; the others
/// wait for what comes of it, and start nothing. The system takes it back from a process that is
/// killed.
#[derive(Debug)]
pub struct Turn {
    file: File,
}

impl Turn {
    /// Stands in line. Nothing is taken yet.
    ///
    /// # Errors
    /// When the file cannot be opened, for instance because the home's folder is not there.
    pub fn ask(home: &Home) -> io::Result<Self> {
        let file = open(&home.turn_file())?;
        Ok(Self { file })
    }

    /// Takes the turn if nobody has it, until this is dropped; `false` if somebody has.
    ///
    /// # Errors
    /// When the system cannot lock the file.
    pub fn take(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_until_it_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(folder.path().to_owned())).unwrap();
        let (first, second) = (Turn::ask(&home).unwrap(), Turn::ask(&home).unwrap());

        assert!(first.take().unwrap());
        assert!(!second.take().unwrap());
        drop(first);
        assert!(second.take().unwrap());
    }

    #[test]
    fn where_there_is_no_home_there_is_no_turn() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(folder.path().join("none"))).unwrap();

        assert!(Turn::ask(&home).is_err());
    }
}
