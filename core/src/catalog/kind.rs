/// What a definition defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DefinitionKind {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A template of resources.
    Template,
    /// A resource.
    Resource,
}

impl DefinitionKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tool, Self::Prompt, Self::Template, Self::Resource];

    /// Returns the method that lists them.
    pub const fn list_method(self) -> &'static str {
        match self {
            Self::Tool => "tools/list",
            Self::Prompt => "prompts/list",
            Self::Template => "resources/templates/list",
            Self::Resource => "resources/list",
        }
    }

    /// Returns the member of that method's result which holds them.
    pub const fn list_member(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Prompt => "prompts",
            Self::Template => "resourceTemplates",
            Self::Resource => "resources",
        }
    }

    /// Returns the member of a definition by which it is told from others of its kind.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tool | Self::Prompt => "name",
            Self::Template => "uriTemplate",
            Self::Resource => "uri",
        }
    }

    /// Returns the word for people, and in `trust.db`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Template => "template",
            Self::Resource => "resource",
        }
    }

    /// Returns the kind that [`Self::as_str`] names.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether a person approves each of them. Resources come and go with what a server works on;
    /// they follow the approval of the server.
    pub const fn is_pinned(self) -> bool {
        match self {
            Self::Tool | Self::Prompt | Self::Template => true,
            Self::Resource => false,
        }
    }
}
