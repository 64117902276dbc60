use std::ops::BitOrAssign;

use super::Entry;

/// What a client is told that its list of has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The tools.
    Tools,
    /// The prompts.
    Prompts,
    /// The resources and their templates.
    Resources,
}

impl Subject {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tools, Self::Prompts, Self::Resources];

    /// Returns a number that changes whenever what clients see of an entry does; 0 where they see
    /// nothing.
    pub fn fingerprint(self, entry: Option<&Entry>) -> u64 {
        let listed = entry.filter(|entry| entry.is_listed());
        self.of_catalog(listed)
    }

    fn of_catalog(self, entry: Option<&Entry>) -> u64 {
        let Some(catalog) = entry.and_then(|entry| entry.catalog.as_ref()) else {
            return 0;
        };
        match self {
            Self::Tools => catalog.tools.fingerprint(),
            Self::Prompts => catalog.prompts.fingerprint(),
            Self::Resources => {
                let templates = catalog.templates.fingerprint();
                catalog.resources.fingerprint() ^ templates.rotate_left(1)
            }
        }
    }
}

/// Some of the subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Subjects([bool; 3]);

impl Subjects {
    /// Returns of which what clients see differs between two entries. What is not listed keeps its
    /// routes, so that counts as well.
    pub(super) fn changed(before: Option<&Entry>, after: Option<&Entry>) -> Self {
        let differs = |subject: Subject| {
            subject.fingerprint(before) != subject.fingerprint(after)
                || subject.of_catalog(before) != subject.of_catalog(after)
        };
        Self(Subject::ALL.map(differs))
    }

    pub(super) fn any(self) -> bool {
        self.0.contains(&true)
    }

    pub(super) const fn contains(self, subject: Subject) -> bool {
        self.0[subject as usize]
    }
}

impl BitOrAssign for Subjects {
    fn bitor_assign(&mut self, other: Self) {
        for (own, others) in self.0.iter_mut().zip(other.0) {
            *own |= others;
        }
    }
}
