use jsonc_parser::{
    ast::{ObjectProp, Value},
    common::{Range, Ranged},
};

use super::{
    field::Fields,
    page::{Page, kind, range},
    reference, spelling, transport,
};
use crate::{
    api::wire::Problem,
    server::{ServerName, SessionMode, Spec},
};

/// More calls at once than this are a typing error rather than a wish.
pub(super) const CONCURRENT_MAX: usize = 10_000;

/// `session` of a server that each client has a connection of its own to.
const PER_CLIENT: &str = "per_client";

/// An entry of `mcpServers`.
pub(super) struct Entry<'a> {
    pub(super) page: &'a Page<'a>,
    pub(super) property: &'a ObjectProp<'a>,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
}

impl Entry<'_> {
    /// Checks the name under which the entry stands.
    pub(super) fn name(&self) -> Result<ServerName, Box<Problem>> {
        let written = self.property.name.as_str();
        ServerName::new(written).map_err(|error| {
            let mut problem = self.page.problem(
                Some(self.property.name.range()),
                format!("This cannot be the name of a server: {error}."),
                "Choose another name.",
            );
            problem.server = Some(written.to_owned());
            problem
        })
    }

    /// Checks the entry and resolves its references.
    pub(super) fn spec(&self) -> Result<Spec, Box<Problem>> {
        let server = self.property.name.as_str();
        let Some(object) = self.property.value.as_object() else {
            let mut problem = self.page.problem(
                Some(range(&self.property.value)),
                format!(
                    "The entry is {}; it must be an object.",
                    kind(&self.property.value)
                ),
                "Write `{\"command\": …}` or `{\"url\": …}`.",
            );
            problem.server = Some(server.to_owned());
            return Err(problem);
        };
        let fields = Fields {
            page: self.page,
            server,
            object,
            env: self.env,
        };
        fields.check_unique(object, None)?;
        let mut spec = Spec::new(transport::read(&fields)?);
        spec.written = transport::written(&fields, &spec.transport);
        spec.enabled = enabled(&fields)?;
        spec.quarantined = fields.flag("quarantined")?.unwrap_or(false);
        spec.init_timeout = fields.duration("initTimeout")?;
        if let Some(timeout) = fields.duration("callTimeout")? {
            spec.call_timeout = timeout;
        }
        if let Some(count) = fields.count("maxConcurrent", CONCURRENT_MAX)? {
            spec.max_concurrent = count;
        }
        spec.session = session(&fields)?;
        Ok(spec)
    }

    /// What is worth knowing about an entry that can be used: keys that look misspelled, and
    /// references that mean something to other programs only.
    pub(super) fn notices(&self) -> Vec<Problem> {
        let Some(object) = self.property.value.as_object() else {
            return Vec::new();
        };
        let misspelled = object.properties.iter().filter_map(|property| {
            let key = property.name.as_str();
            let meant = spelling::meant(key)?;
            let message = format!("`{key}` is not a key that Narthex knows, and is ignored.");
            let remedy = format!("Write `{meant}` if that is what is meant.");
            Some(self.notice(property.name.range(), key, message, remedy))
        });
        let referring = object.properties.iter().flat_map(|property| {
            texts(property.name.as_str(), &property.value)
                .into_iter()
                .filter_map(|(field, value)| {
                    let text = &value.as_string_lit()?.value;
                    let reference = reference::foreign(text)?;
                    let message = format!("`{reference}` in `{field}` is passed on as it stands.");
                    let remedy = "Write `${env:NAME}` for a variable of the environment.";
                    Some(self.notice(range(value), &field, message, remedy.to_owned()))
                })
        });
        misspelled.chain(referring).collect()
    }

    fn notice(&self, range: Range, field: &str, message: String, remedy: String) -> Problem {
        let mut notice = self.page.problem(Some(range), message, remedy);
        notice.server = Some(self.property.name.as_str().to_owned());
        notice.field = Some(field.to_owned());
        *notice
    }
}

/// `disabled` is how other programs say it.
fn enabled(fields: &Fields<'_>) -> Result<bool, Box<Problem>> {
    match (fields.flag("enabled")?, fields.flag("disabled")?) {
        (Some(enabled), Some(disabled)) if enabled == disabled => Err(fields.problem(
            fields.place("disabled"),
            Some("disabled"),
            "`enabled` and `disabled` contradict each other.",
            "Remove one of them.",
        )),
        (Some(enabled), _) => Ok(enabled),
        (None, Some(disabled)) => Ok(!disabled),
        (None, None) => Ok(true),
    }
}

fn session(fields: &Fields<'_>) -> Result<SessionMode, Box<Problem>> {
    match fields.text("session")? {
        None => Ok(SessionMode::Shared),
        Some(written) => match written.text {
            "shared" => Ok(SessionMode::Shared),
            PER_CLIENT => Ok(SessionMode::PerClient),
            other => Err(fields.problem(
                written.range,
                Some("session"),
                format!("`session` is `{other}`; it must be `shared` or `per_client`."),
                "Write `shared` for one connection, or `per_client` for one of each client.",
            )),
        },
    }
}

/// The texts of a field in which references are resolved, with their names.
fn texts<'v>(key: &str, value: &'v Value<'v>) -> Vec<(String, &'v Value<'v>)> {
    match (key, value) {
        ("command" | "cwd" | "url" | "httpUrl" | "serverUrl", value) => {
            vec![(key.to_owned(), value)]
        }
        ("args", Value::Array(list)) => list
            .elements
            .iter()
            .enumerate()
            .map(|(index, element)| (format!("{key}[{index}]"), element))
            .collect(),
        ("env" | "headers", Value::Object(object)) => object
            .properties
            .iter()
            .map(|property| (format!("{key}.{}", property.name.as_str()), &property.value))
            .collect(),
        _ => Vec::new(),
    }
}
