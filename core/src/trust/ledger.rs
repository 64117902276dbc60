use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{LaunchId, Write};
use crate::{
    api::wire::DefinitionState,
    catalog::{Catalog, Definition, DefinitionHash, DefinitionKind, Reviewed},
    server::ServerName,
};

/// What is known and decided about one server, as `trust.db` keeps it.
///
/// Every change is a list of [`Write`]s; the caller makes them durable and then shows them.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The launches that a person approved.
    pub approved: BTreeSet<LaunchId>,
    /// The launches that have connected before.
    pub proven: BTreeSet<LaunchId>,
    /// A person put the server in quarantine.
    pub suspended: bool,
    /// A person has approved what it offers.
    pub reviewed: bool,
    /// A person gave their word for whatever it offers first.
    pub first_seen: bool,
    /// A person switched it off.
    pub disconnected: bool,
    /// What it offered when it was last seen.
    pub known: Option<Known>,
    /// The approved forms of each definition.
    pub pins: HashMap<PinName, BTreeSet<DefinitionHash>>,
}

/// What a pin is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PinName {
    /// A definition, by its kind and name.
    Of(DefinitionKind, String),
    /// The server's instructions.
    Instructions,
}

impl PinName {
    fn new(kind: Option<DefinitionKind>, name: &str) -> Self {
        kind.map_or(Self::Instructions, |kind| Self::Of(kind, name.to_owned()))
    }
}

/// A catalog that was seen.
#[derive(Debug, Clone)]
pub struct Known {
    /// Grows by one with every change.
    pub epoch: u64,
    /// What it was.
    pub catalog: Arc<Catalog>,
}

/// Whose word stands for what a server offers first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffersWord {
    /// Nobody's: a person reviews it.
    None,
    /// `--trust-config`, for this run only.
    TrustConfig,
}

/// What [`Ledger::see`] found.
#[derive(Debug)]
pub struct Seen {
    /// Whether what a person approves differs from what was last seen.
    pub changed: bool,
    /// Whether anything differs.
    pub differs: bool,
    /// What must be stored first.
    pub writes: Vec<Write>,
}

/// Why an approval is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewRefused {
    /// Nothing was seen yet.
    #[error("it has not shown yet what it offers")]
    NothingSeen,
    /// The catalog has moved on.
    #[error("what it offers has changed: epoch {now} now, {shown} was shown")]
    MovedOn {
        /// The epoch that was shown.
        shown: u64,
        /// The present one.
        now: u64,
    },
    /// `first-seen` after something was seen.
    #[error("what it offers was seen already")]
    AlreadySeen,
}

impl Ledger {
    /// Returns how much work it is to look at all that is known, as [`Catalog::weight`] counts it.
    pub fn weight(&self) -> usize {
        self.known
            .as_ref()
            .map_or(0, |known| known.catalog.weight())
    }

    /// Takes note of a catalog, and of whose word stands for it.
    pub fn see(&mut self, server: &ServerName, catalog: Arc<Catalog>, word: OffersWord) -> Seen {
        let known = self.known.as_ref();
        let unchanged = known.is_some_and(|known| same(&known.catalog, &catalog));
        let differs =
            known.is_none_or(|known| !unchanged || !same_beside(&known.catalog, &catalog));
        let mut writes = Vec::new();
        if differs {
            let before = known.map_or(0, |known| known.epoch);
            let epoch = before + u64::from(!unchanged);
            self.known = Some(Known {
                epoch,
                catalog: Arc::clone(&catalog),
            });
            writes.push(Write::Catalog {
                server: server.clone(),
                epoch,
                catalog,
            });
        } else if let Some(known) = &mut self.known {
            // The same definitions, perhaps in another order of members: the latest text is shown.
            known.catalog = catalog;
        }
        if !self.reviewed && self.first_seen {
            writes.extend(self.pin(server));
        } else if !self.reviewed && word == OffersWord::TrustConfig {
            // Holds for this run: nothing of it is written.
            drop(self.pin(server));
        }
        Seen {
            changed: !unchanged,
            differs,
            writes,
        }
    }

    /// Approves what was seen at `epoch`.
    ///
    /// # Errors
    /// When nothing was seen, or the catalog has moved on.
    pub fn approve_offers(
        &mut self,
        server: &ServerName,
        epoch: u64,
    ) -> Result<Vec<Write>, ReviewRefused> {
        let known = self.known.as_ref().ok_or(ReviewRefused::NothingSeen)?;
        if known.epoch != epoch {
            return Err(ReviewRefused::MovedOn {
                shown: epoch,
                now: known.epoch,
            });
        }
        Ok(self.pin(server))
    }

    /// Pins all that is known, and counts it as reviewed.
    fn pin(&mut self, server: &ServerName) -> Vec<Write> {
        self.reviewed = true;
        self.first_seen = false;
        let mut writes = vec![Write::Reviewed {
            server: server.clone(),
        }];
        let Some(known) = &self.known else {
            return writes;
        };
        for (name, hash) in pinnable(&known.catalog) {
            self.pins.entry(name.clone()).or_default().insert(hash);
            writes.push(Write::Pin {
                server: server.clone(),
                name,
                hash,
            });
        }
        writes
    }

    /// Returns what clients may see of what was last seen.
    pub fn review(&self, server: &ServerName) -> Option<Arc<Reviewed>> {
        let known = self.known.as_ref()?;
        let state = |kind: Option<DefinitionKind>, name: &str, hash: &DefinitionHash| {
            if kind.is_some_and(|kind| !kind.is_pinned()) {
                return DefinitionState::Offered;
            }
            match self.pins.get(&PinName::new(kind, name)) {
                Some(forms) if forms.contains(hash) => DefinitionState::Offered,
                Some(_) => DefinitionState::Changed,
                None => DefinitionState::New,
            }
        };
        let reviewed = Reviewed::new(server.as_str(), known.epoch, &known.catalog, state);
        Some(Arc::new(reviewed))
    }
}

fn pinnable(catalog: &Catalog) -> impl Iterator<Item = (PinName, DefinitionHash)> {
    let pinned = DefinitionKind::ALL
        .into_iter()
        .filter(|kind| kind.is_pinned());
    let definitions = pinned.flat_map(|kind| {
        let of_kind = catalog.of(kind).iter();
        of_kind.map(move |it| (PinName::Of(kind, it.name.clone()), it.hash))
    });
    let instructions = catalog
        .instructions
        .iter()
        .map(|text| (PinName::Instructions, text.hash));
    definitions.chain(instructions)
}

/// Whether two catalogs define the same, whatever the order.
fn same(a: &Catalog, b: &Catalog) -> bool {
    fn sorted(catalog: &Catalog) -> Vec<(Option<DefinitionKind>, &str, DefinitionHash)> {
        let kinds = DefinitionKind::ALL.into_iter();
        let pinned = kinds.filter(|kind| kind.is_pinned());
        let definitions = pinned.flat_map(|kind| {
            let of_kind = catalog.of(kind).iter();
            of_kind.map(move |it| (Some(kind), it.name.as_str(), it.hash))
        });
        let instructions = catalog.instructions.iter();
        let instructions = instructions.map(|text| (None, text.name.as_str(), text.hash));
        let mut all: Vec<_> = definitions.chain(instructions).collect();
        all.sort_unstable();
        all
    }
    sorted(a) == sorted(b)
}

/// Whether two catalogs are the same in what nobody approves.
fn same_beside(a: &Catalog, b: &Catalog) -> bool {
    let hashes = |catalog: &Catalog| {
        let of_resource = |resource: &Arc<Definition>| (resource.name.clone(), resource.hash);
        catalog
            .resources
            .iter()
            .map(of_resource)
            .collect::<Vec<_>>()
    };
    a.features == b.features && hashes(a) == hashes(b)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn catalog(tools: &[&str]) -> Arc<Catalog> {
        let tools = tools
            .iter()
            .map(|tool| Definition::of_tool(Bytes::copy_from_slice(tool.as_bytes())).unwrap());
        Arc::new(Catalog {
            tools: tools.map(Arc::new).collect(),
            ..Catalog::default()
        })
    }

    fn states(ledger: &Ledger, server: &ServerName) -> Vec<DefinitionState> {
        ledger
            .review(server)
            .unwrap()
            .tools
            .iter()
            .map(|tool| tool.state)
            .collect()
    }

    #[test]
    fn only_what_a_person_saw_is_offered() {
        let server = ServerName::new("s").unwrap();
        let mut ledger = Ledger::default();
        assert!(
            ledger
                .see(&server, catalog(&[r#"{"name":"a"}"#]), OffersWord::None)
                .changed
        );
        assert_eq!(states(&ledger, &server), [DefinitionState::New]);
        assert_eq!(
            ledger.approve_offers(&server, 2),
            Err(ReviewRefused::MovedOn { shown: 2, now: 1 })
        );
        ledger.approve_offers(&server, 1).unwrap();
        assert_eq!(states(&ledger, &server), [DefinitionState::Offered]);

        let moved = catalog(&[
            r#"{"name":"a","description":"now with more"}"#,
            r#"{"name":"b"}"#,
        ]);
        assert!(ledger.see(&server, moved, OffersWord::None).changed);
        assert_eq!(
            states(&ledger, &server),
            [DefinitionState::Changed, DefinitionState::New]
        );
        assert_eq!(ledger.known.as_ref().unwrap().epoch, 2);

        // The approved form comes back.
        ledger.see(&server, catalog(&[r#"{"name":"a"}"#]), OffersWord::None);
        assert_eq!(states(&ledger, &server), [DefinitionState::Offered]);
        assert_eq!(ledger.known.as_ref().unwrap().epoch, 3);
    }

    #[test]
    fn an_unchanged_catalog_keeps_its_epoch() {
        let server = ServerName::new("s").unwrap();
        let mut ledger = Ledger::default();
        ledger.see(
            &server,
            catalog(&[r#"{"name":"a"}"#, r#"{"name":"b"}"#]),
            OffersWord::None,
        );
        let seen = ledger.see(
            &server,
            catalog(&[r#"{"name":"b"}"#, r#"{"name":"a"}"#]),
            OffersWord::None,
        );
        assert!(!seen.changed && seen.writes.is_empty());
        assert_eq!(ledger.known.as_ref().unwrap().epoch, 1);
    }

    #[test]
    fn prompts_and_templates_are_approved_and_resources_are_not() {
        let of = |kind, text: &'static str| {
            let raw = Bytes::from_static(text.as_bytes());
            vec![Arc::new(Definition::of(kind, raw).unwrap())]
        };
        let server = ServerName::new("s").unwrap();
        let mut ledger = Ledger::default();
        let first = Catalog {
            prompts: of(DefinitionKind::Prompt, r#"{"name":"p"}"#),
            templates: of(DefinitionKind::Template, r#"{"uriTemplate":"t://{x}"}"#),
            resources: of(DefinitionKind::Resource, r#"{"uri":"t://1"}"#),
            ..Catalog::default()
        };
        ledger.see(&server, Arc::new(first.clone()), OffersWord::None);
        let seen = ledger.review(&server).unwrap();
        let states = |of: &Reviewed| {
            [&of.prompts, &of.templates, &of.resources]
                .map(|section| section.iter().next().unwrap().state)
        };
        let (new, offered) = (DefinitionState::New, DefinitionState::Offered);
        assert_eq!(states(&seen), [new, new, offered]);

        ledger.approve_offers(&server, 1).unwrap();
        assert_eq!(states(&ledger.review(&server).unwrap()), [offered; 3]);

        // Other resources are seen, kept and shown, and nobody is asked.
        let more = Catalog {
            resources: of(DefinitionKind::Resource, r#"{"uri":"t://2"}"#),
            ..first.clone()
        };
        let seen = ledger.see(&server, Arc::new(more.clone()), OffersWord::None);
        assert!(!seen.changed && seen.differs && !seen.writes.is_empty());
        assert_eq!(ledger.known.as_ref().unwrap().epoch, 1);

        let changed = Catalog {
            prompts: of(
                DefinitionKind::Prompt,
                r#"{"name":"p","description":"do it"}"#,
            ),
            ..more
        };
        assert!(
            ledger
                .see(&server, Arc::new(changed), OffersWord::None)
                .changed
        );
        let seen = ledger.review(&server).unwrap();
        assert_eq!(states(&seen), [DefinitionState::Changed, offered, offered]);
    }

    #[test]
    fn a_word_for_the_first_is_no_word_for_the_second() {
        let server = ServerName::new("s").unwrap();
        for word in [OffersWord::None, OffersWord::TrustConfig] {
            let mut ledger = Ledger {
                first_seen: word == OffersWord::None,
                ..Ledger::default()
            };
            ledger.see(&server, catalog(&[r#"{"name":"a"}"#]), word);
            assert_eq!(states(&ledger, &server), [DefinitionState::Offered]);
            ledger.see(&server, catalog(&[r#"{"name":"a","x":1}"#]), word);
            assert_eq!(states(&ledger, &server), [DefinitionState::Changed]);
        }
    }

    #[test]
    fn nothing_of_trust_config_is_kept() {
        let server = ServerName::new("s").unwrap();
        let mut ledger = Ledger::default();
        let seen = ledger.see(
            &server,
            catalog(&[r#"{"name":"a"}"#]),
            OffersWord::TrustConfig,
        );
        assert!(
            seen.writes
                .iter()
                .all(|write| matches!(write, Write::Catalog { .. }))
        );
    }
}
