use std::sync::Arc;

use super::{
    Catalog, Definition, DefinitionHash, DefinitionKind, Features, Item, Section, offered_name,
};
use crate::api::wire::DefinitionState;

/// A server's catalog after the trust store has looked at it: what clients may see of it.
#[derive(Debug)]
pub struct Reviewed {
    /// Grows by one with every change of what a person approves.
    pub epoch: u64,
    /// The tools.
    pub tools: Section,
    /// The prompts.
    pub prompts: Section,
    /// The templates of resources.
    pub templates: Section,
    /// The resources.
    pub resources: Section,
    /// The server's instructions, if a person has approved them.
    pub instructions: Option<Arc<Definition>>,
    /// The server's instructions, if a person has yet to approve them.
    pub held_instructions: Option<(Arc<Definition>, DefinitionState)>,
    /// What the server said it can do.
    pub features: Features,
    tally: Tally,
}

/// How much a reviewed catalog has, counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The epoch of the catalog.
    pub epoch: u64,
    /// All its tools.
    pub tools: usize,
    /// The tools that clients see.
    pub offered: usize,
    /// All that a person has yet to approve: new, and changed.
    pub held: [usize; 2],
    /// How much work it is to look at all of it: see [`Catalog::weight`].
    pub weight: usize,
}

impl Reviewed {
    /// Puts together what a review found: `state` says what it made of a definition, of the
    /// instructions where there is no kind.
    pub fn new(
        server: &str,
        epoch: u64,
        catalog: &Catalog,
        state: impl Fn(Option<DefinitionKind>, &str, &DefinitionHash) -> DefinitionState,
    ) -> Self {
        let section = |kind: DefinitionKind| {
            let item = |definition: &Arc<Definition>| Item {
                offered_as: match kind {
                    DefinitionKind::Tool | DefinitionKind::Prompt => {
                        offered_name(server, &definition.name).into()
                    }
                    DefinitionKind::Template | DefinitionKind::Resource => {
                        definition.name.as_str().into()
                    }
                },
                state: state(Some(kind), &definition.name, &definition.hash),
                definition: Arc::clone(definition),
            };
            Section::new(kind, catalog.of(kind).iter().map(item).collect())
        };
        let instructions = catalog.instructions.as_ref().map(|text| {
            let state = state(None, &text.name, &text.hash);
            (Arc::clone(text), state)
        });
        let (instructions, held_instructions) = match instructions {
            Some((text, DefinitionState::Offered)) => (Some(text), None),
            held => (None, held),
        };
        let mut reviewed = Self {
            epoch,
            tools: section(DefinitionKind::Tool),
            prompts: section(DefinitionKind::Prompt),
            templates: section(DefinitionKind::Template),
            resources: section(DefinitionKind::Resource),
            instructions,
            held_instructions,
            features: catalog.features,
            tally: Tally {
                epoch,
                tools: catalog.tools.len(),
                offered: 0,
                held: [0; 2],
                weight: catalog.weight(),
            },
        };
        reviewed.tally.offered = reviewed.tools.offered().count();
        let (mut new, mut changed) = (0, 0);
        for state in reviewed.held() {
            match state {
                DefinitionState::New => new += 1,
                DefinitionState::Changed => changed += 1,
                DefinitionState::Offered => {}
            }
        }
        reviewed.tally.held = [new, changed];
        reviewed
    }

    /// Returns how much it has.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Returns the definitions of one kind.
    pub const fn of(&self, kind: DefinitionKind) -> &Section {
        match kind {
            DefinitionKind::Tool => &self.tools,
            DefinitionKind::Prompt => &self.prompts,
            DefinitionKind::Template => &self.templates,
            DefinitionKind::Resource => &self.resources,
        }
    }

    /// Returns the server's instructions, approved or not.
    pub fn instructions_seen(&self) -> Option<(&Arc<Definition>, DefinitionState)> {
        let approved = self.instructions.as_ref();
        approved
            .map(|text| (text, DefinitionState::Offered))
            .or_else(|| {
                self.held_instructions
                    .as_ref()
                    .map(|(text, state)| (text, *state))
            })
    }

    /// Returns the states of all that a person has yet to approve.
    fn held(&self) -> impl Iterator<Item = DefinitionState> {
        let sections = [&self.tools, &self.prompts, &self.templates];
        let items = sections.into_iter().flatten().map(|item| item.state);
        items
            .chain(self.held_instructions.iter().map(|(_, state)| *state))
            .filter(|state| *state != DefinitionState::Offered)
    }
}
