use std::{collections::BTreeMap, time::Duration};

use jsonc_parser::{
    ast::{Object, ObjectProp, Value},
    common::{Range, Ranged},
};

use super::{
    duration,
    page::{Page, kind, range},
    reference::{self, BadReference},
};
use crate::{
    api::wire::Problem,
    server::{self, Secret},
};

const DURATION_REMEDY: &str =
    "Write seconds as a number (30), or a text such as \"30s\", \"2m\" or \"500ms\".";

/// The fields of one entry, read by the kind of value each must have. A field that is `null`
/// counts as not given.
pub(super) struct Fields<'a> {
    pub(super) page: &'a Page<'a>,
    pub(super) server: &'a str,
    pub(super) object: &'a Object<'a>,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
}

/// A text and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    pub(super) range: Range,
}

/// A field's name in messages, such as `args[2]`, `env.TOKEN`.
type Name<'n> = &'n str;

impl<'a> Fields<'a> {
    /// A problem with `field`.
    pub(super) fn problem(
        &self,
        range: Range,
        field: Option<&str>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Box<Problem> {
        let mut problem = self.page.problem(Some(range), message, remedy);
        problem.server = Some(self.server.to_owned());
        problem.field = field.map(str::to_owned);
        problem
    }

    /// Where `key` is named.
    pub(super) fn place(&self, key: &str) -> Range {
        self.object
            .get(key)
            .map_or(self.object.range, |property| property.name.range())
    }

    /// The value of `key`.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        let value = &self.object.get(key)?.value;
        value.as_null_keyword().is_none().then_some(value)
    }

    /// Checks that no key of `object` is there twice: which one holds would be a matter of luck.
    pub(super) fn check_unique(
        &self,
        object: &Object<'_>,
        within: Option<&str>,
    ) -> Result<(), Box<Problem>> {
        let mut seen = BTreeMap::new();
        for property in &object.properties {
            let key = property.name.as_str();
            if let Some(first) = seen.insert(key, property.name.range()) {
                let field = within.map_or_else(|| key.to_owned(), |outer| format!("{outer}.{key}"));
                return Err(self.problem(
                    property.name.range(),
                    Some(&field),
                    format!(
                        "`{field}` is there twice, first on line {}.",
                        self.page.line(first)
                    ),
                    "Keep the one that is meant and remove the other.",
                ));
            }
        }
        Ok(())
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, Box<Problem>> {
        self.get(key)
            .map(|value| match value.as_boolean_lit() {
                Some(literal) => Ok(literal.value),
                None => Err(self.unlike(value, key, "true or false")),
            })
            .transpose()
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<Text<'a>>, Box<Problem>> {
        self.get(key)
            .map(|value| self.text_of(value, key))
            .transpose()
    }

    pub(super) fn duration(&self, key: &str) -> Result<Option<Duration>, Box<Problem>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let duration = match value {
            Value::NumberLit(number) => number.value.parse().ok().and_then(duration::of_seconds),
            Value::StringLit(text) => duration::of_text(&text.value),
            Value::BooleanLit(_) | Value::Object(_) | Value::Array(_) | Value::NullKeyword(_) => {
                return Err(self.unlike(value, key, "a duration"));
            }
        };
        duration.map(Some).ok_or_else(|| {
            self.problem(
                range(value),
                Some(key),
                format!("`{key}` is no duration above zero and up to a week."),
                DURATION_REMEDY,
            )
        })
    }

    pub(super) fn count(&self, key: &str, max: usize) -> Result<Option<usize>, Box<Problem>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let Some(number) = value.as_number_lit() else {
            return Err(self.unlike(value, key, "a number"));
        };
        match number.value.parse() {
            Ok(count) if (1..=max).contains(&count) => Ok(Some(count)),
            _ => Err(self.problem(
                number.range,
                Some(key),
                format!(
                    "`{key}` is {}; it must be a whole number from 1 to {max}.",
                    number.value
                ),
                format!("Write a whole number from 1 to {max}."),
            )),
        }
    }

    /// A list of texts with their references resolved.
    pub(super) fn list(&self, key: &str) -> Result<Vec<String>, Box<Problem>> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let Some(list) = value.as_array() else {
            return Err(self.unlike(value, key, "a list of texts"));
        };
        list.elements
            .iter()
            .enumerate()
            .map(|(index, element)| {
                let field = format!("{key}[{index}]");
                self.resolved(&field, self.text_of(element, &field)?)
            })
            .collect()
    }

    /// An object of texts, with each value as written and as resolved.
    pub(super) fn pairs(
        &self,
        key: &str,
        check: impl Fn(Pair<'_>) -> Result<(), Box<Problem>>,
    ) -> Result<BTreeMap<String, server::Value>, Box<Problem>> {
        let Some(value) = self.get(key) else {
            return Ok(BTreeMap::new());
        };
        let Some(object) = value.as_object() else {
            return Err(self.unlike(value, key, "an object of texts"));
        };
        self.check_unique(object, Some(key))?;
        object
            .properties
            .iter()
            .map(|property| self.pair(key, property, &check))
            .collect()
    }

    fn pair(
        &self,
        key: &str,
        property: &ObjectProp<'_>,
        check: &impl Fn(Pair<'_>) -> Result<(), Box<Problem>>,
    ) -> Result<(String, server::Value), Box<Problem>> {
        let name = property.name.as_str();
        let field = format!("{key}.{name}");
        let written = self.text_of(&property.value, &field)?;
        let resolved = self.resolved(&field, written)?;
        check(Pair {
            name: Text {
                text: name,
                range: property.name.range(),
            },
            value: Text {
                text: &resolved,
                range: written.range,
            },
            field: &field,
        })?;
        Ok((
            name.to_owned(),
            server::Value {
                written: Secret::new(written.text),
                resolved: Secret::new(resolved),
            },
        ))
    }

    /// `text` with its references resolved. No program can be given a NUL character.
    pub(super) fn resolved(&self, field: Name<'_>, text: Text<'_>) -> Result<String, Box<Problem>> {
        let resolved = reference::resolve(text.text, self.env).map_err(|bad| match bad {
            BadReference::Unset(variable) => self.problem(
                text.range,
                Some(field),
                format!("`{field}` refers to the variable `{variable}`, which is not set."),
                format!("Set `{variable}` in the environment that Narthex starts in, or correct its name."),
            ),
            BadReference::Malformed => self.problem(
                text.range,
                Some(field),
                format!("`{field}` holds a reference that names no variable."),
                "Write it as `${env:NAME}`.",
            ),
        })?;
        if resolved.contains('\0') {
            return Err(self.problem(
                text.range,
                Some(field),
                format!("`{field}` holds a NUL character."),
                "Remove it.",
            ));
        }
        Ok(resolved)
    }

    pub(super) fn text_of<'v>(
        &self,
        value: &'v Value<'_>,
        field: Name<'_>,
    ) -> Result<Text<'v>, Box<Problem>> {
        match value {
            Value::StringLit(literal) => Ok(Text {
                text: &literal.value,
                range: literal.range,
            }),
            Value::NumberLit(_)
            | Value::BooleanLit(_)
            | Value::Object(_)
            | Value::Array(_)
            | Value::NullKeyword(_) => Err(self.unlike(value, field, "a text")),
        }
    }

    /// The problem of a value that is of another kind than wanted. It does not repeat the value,
    /// which may be a secret.
    fn unlike(&self, value: &Value<'_>, field: Name<'_>, wanted: &str) -> Box<Problem> {
        let remedy = match (value, wanted) {
            (Value::NumberLit(_) | Value::BooleanLit(_), "a text") => {
                "Put it in quotes.".to_owned()
            }
            (Value::StringLit(_), "a number" | "true or false") => "Remove the quotes.".to_owned(),
            (Value::StringLit(_), "a list of texts") => {
                "Put it in brackets, each argument a text of its own: [\"first\", \"second\"]."
                    .to_owned()
            }
            (Value::Array(_), "a text") if field == "command" => {
                "Write the program alone in `command`, and the rest of the list in `args`."
                    .to_owned()
            }
            (_, "an object of texts") => "Write it as {\"NAME\": \"value\"}.".to_owned(),
            (_, "a duration") => DURATION_REMEDY.to_owned(),
            _ => format!("Write {wanted}."),
        };
        self.problem(
            range(value),
            Some(field),
            format!("`{field}` is {}; it must be {wanted}.", kind(value)),
            remedy,
        )
    }
}

/// A name with its resolved value.
pub(super) struct Pair<'p> {
    pub(super) name: Text<'p>,
    pub(super) value: Text<'p>,
    /// What the pair is called in messages.
    pub(super) field: &'p str,
}
