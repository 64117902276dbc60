//! What a request asks a scripted server to send to the letter: members that JSON libraries would
//! spell otherwise, or refuse. It stands in `_meta` under [`MEMBER`].

use serde::Deserialize;
use serde_json::value::RawValue;

/// The member of a request's `_meta` that says what is to be sent.
pub const MEMBER: &str = "testkit";

/// Stands in a text for the request's id.
pub const ID: &str = "%id%";

/// Stands in a text for the request's progress token.
pub const TOKEN: &str = "%token%";

/// What is to be sent because of one request.
#[derive(Debug, Default)]
pub(crate) struct Verbatim {
    /// What is said before the answer.
    pub(crate) says: Vec<Saying>,
    /// The whole answer.
    pub(crate) answer: Option<String>,
}

/// A message that is no answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Saying {
    pub(crate) text: String,
    /// It belongs to no request.
    #[serde(default)]
    pub(crate) aside: bool,
    /// The spelling of the id under which an answer to it is waited for.
    #[serde(default)]
    pub(crate) wait: Option<String>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Meta<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    testkit: Orders,
    #[serde(borrow, default)]
    progress_token: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Orders {
    #[serde(default)]
    say: Vec<Saying>,
    #[serde(default)]
    answer: Option<String>,
}

impl Verbatim {
    /// Reads what a request with this id and these params asks for; `None` where that is nothing.
    pub(crate) fn of(id: &str, params: &str) -> Option<Self> {
        if !params.contains(MEMBER) {
            return None;
        }
        let Params { meta } = serde_json::from_str(params).ok()?;
        let token = meta.progress_token.map_or("null", RawValue::get);
        let filled = |text: &str| text.replace(ID, id).replace(TOKEN, token);
        let says = meta.testkit.say.into_iter().map(|saying| Saying {
            text: filled(&saying.text),
            ..saying
        });
        Some(Self {
            says: says.collect(),
            answer: meta.testkit.answer.as_deref().map(filled),
        })
    }

    /// Whether an answer is waited for.
    pub(crate) fn waits(&self) -> bool {
        self.says.iter().any(|saying| saying.wait.is_some())
    }
}
