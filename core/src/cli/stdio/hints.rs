use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use serde::Deserialize;

use crate::mcp;

/// The tools that say of themselves that calling them twice does no harm, as the client was last
/// told. What it is told was approved by a person.
#[derive(Debug, Default)]
pub(super) struct Hints {
    harmless: Mutex<HashSet<String>>,
}

#[derive(Deserialize)]
struct Answer {
    result: Page,
}

#[derive(Deserialize)]
struct Page {
    tools: Vec<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Annotations {
    read_only_hint: bool,
    idempotent_hint: bool,
}

impl Hints {
    /// Takes note of a page of tools.
    pub(super) fn note(&self, request: &mcp::Envelope, answer: &str) {
        // What is no list says nothing of any tool.
        let Ok(Answer { result }) = serde_json::from_str(answer) else {
            return;
        };
        let mut harmless = self.harmless.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(request.field("cursor"), Ok(Some(_))) {
            harmless.clear();
        }
        for tool in result.tools {
            let Annotations {
                read_only_hint,
                idempotent_hint,
            } = tool.annotations;
            if read_only_hint || idempotent_hint {
                harmless.insert(tool.name);
            }
        }
    }

    /// Whether a call of this tool may be made twice.
    pub(super) fn does_no_harm(&self, tool: &str) -> bool {
        let harmless = self.harmless.lock().unwrap_or_else(PoisonError::into_inner);
        harmless.contains(tool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_list_counts_with_all_its_pages() {
        let hints = Hints::default();
        let note = |params: &str, answer: &str| {
            let request = format!(r#"{{"id":1,"method":"tools/list","params":{params}}}"#);
            hints.note(&mcp::Envelope::parse(request.into()).unwrap(), answer);
        };
        note(
            "{}",
            r#"{"id":1,"result":{"tools":[{"name":"a","annotations":{"readOnlyHint":true}},{"name":"b"}]}}"#,
        );
        note(
            r#"{"cursor":"2"}"#,
            r#"{"id":1,"result":{"tools":[{"name":"c","annotations":{"idempotentHint":true,"x":1}}]}}"#,
        );
        note("{}", r#"{"id":1,"error":{"code":1,"message":"no"}}"#);
        assert!(hints.does_no_harm("a") && hints.does_no_harm("c"));
        assert!(!hints.does_no_harm("b"));
        note("{}", r#"{"id":1,"result":{"tools":[{"name":"a"}]}}"#);
        assert!(!hints.does_no_harm("a") && !hints.does_no_harm("c"));
    }
}
