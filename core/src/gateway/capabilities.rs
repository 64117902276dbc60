use crate::mcp::{Envelope, json};

/// What a client said in `initialize` that it can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Capabilities {
    pub(super) sampling: bool,
    /// Elicitation by a form.
    pub(super) form: bool,
    /// Elicitation by an address to visit.
    pub(super) url: bool,
    pub(super) roots: bool,
}

/// The JSON-RPC code for what was not declared.
const METHOD_NOT_FOUND: i32 = -32601;

/// The code that MCP gives an elicitation in a mode that was not declared.
const INVALID_PARAMS: i32 = -32602;

impl Capabilities {
    /// Reads what `initialize` declares.
    pub(super) fn of(initialize: &Envelope) -> Self {
        let bytes = initialize.bytes();
        let Ok(Some(all)) = initialize.field("capabilities") else {
            return Self::default();
        };
        let member = |within: std::ops::Range<usize>, name| {
            let member = initialize.field_of(within, name);
            member.ok().flatten().filter(|it| bytes[it.start] == b'{')
        };
        let elicitation = member(all.clone(), "elicitation");
        let mode = |name| {
            elicitation
                .clone()
                .and_then(|it| member(it, name))
                .is_some()
        };
        // An empty object is what clients say that know no modes.
        let (form, url) = (mode("form"), mode("url"));
        Self {
            sampling: member(all.clone(), "sampling").is_some(),
            form: elicitation.is_some() && (form || !url),
            url,
            roots: member(all, "roots").is_some(),
        }
    }

    /// Returns the `capabilities` that say so.
    pub(super) fn declared(self) -> String {
        let modes: Vec<_> = [(self.form, r#""form":{}"#), (self.url, r#""url":{}"#)]
            .into_iter()
            .filter_map(|(has, said)| has.then_some(said))
            .collect();
        let all = [
            (self.sampling, r#""sampling":{}"#.to_owned()),
            (
                !modes.is_empty(),
                format!(r#""elicitation":{{{}}}"#, modes.join(",")),
            ),
            (self.roots, r#""roots":{"listChanged":true}"#.to_owned()),
        ];
        let said = all
            .into_iter()
            .filter_map(|(has, said)| has.then_some(said));
        format!("{{{}}}", said.collect::<Vec<_>>().join(","))
    }

    /// Whether the client can be asked this; if not, the code of the error that says so.
    pub(super) fn allow(self, question: &Envelope) -> Result<(), i32> {
        let mode = || {
            let mode = question.field("mode").ok().flatten();
            mode.and_then(|mode| json::decode(&question.bytes()[mode]))
        };
        let allowed = match question.method() {
            "sampling/createMessage" => self.sampling,
            "roots/list" => self.roots,
            "elicitation/create" if !self.form && !self.url => false,
            "elicitation/create" if mode().as_deref() == Some("url") => {
                return if self.url {
                    Ok(())
                } else {
                    Err(INVALID_PARAMS)
                };
            }
            "elicitation/create" => {
                return if self.form {
                    Ok(())
                } else {
                    Err(INVALID_PARAMS)
                };
            }
            _ => false,
        };
        if allowed {
            Ok(())
        } else {
            Err(METHOD_NOT_FOUND)
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn declared(capabilities: &str) -> Capabilities {
        let text = format!(
            r#"{{"id":1,"method":"initialize","params":{{"capabilities":{capabilities}}}}}"#
        );
        Capabilities::of(&Envelope::parse(Bytes::from(text)).unwrap())
    }

    fn question(method: &str, params: &str) -> Envelope {
        let text = format!(r#"{{"id":1,"method":"{method}","params":{params}}}"#);
        Envelope::parse(Bytes::from(text)).unwrap()
    }

    #[test]
    fn only_what_was_declared_may_be_asked() {
        let form = question("elicitation/create", r#"{"message":"?"}"#);
        let url = question("elicitation/create", r#"{"mode":"url"}"#);
        let sampling = question("sampling/createMessage", "{}");
        let roots = question("roots/list", "{}");
        for (declares, form_, url_, sampling_, roots_) in [
            ("{}", Err(-32601), Err(-32601), Err(-32601), Err(-32601)),
            (
                r#"{"elicitation":{}}"#,
                Ok(()),
                Err(-32602),
                Err(-32601),
                Err(-32601),
            ),
            (
                r#"{"elicitation":{"url":{}}}"#,
                Err(-32602),
                Ok(()),
                Err(-32601),
                Err(-32601),
            ),
            (
                r#"{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"roots":{}}"#,
                Ok(()),
                Ok(()),
                Ok(()),
                Ok(()),
            ),
            (
                r#"{"sampling":null,"elicitation":true}"#,
                Err(-32601),
                Err(-32601),
                Err(-32601),
                Err(-32601),
            ),
        ] {
            let client = declared(declares);
            assert_eq!(client.allow(&form), form_, "{declares}");
            assert_eq!(client.allow(&url), url_, "{declares}");
            assert_eq!(client.allow(&sampling), sampling_, "{declares}");
            assert_eq!(client.allow(&roots), roots_, "{declares}");
        }
        let unknown = question("tasks/get", "{}");
        assert_eq!(declared(r#"{"sampling":{}}"#).allow(&unknown), Err(-32601));
    }
}
