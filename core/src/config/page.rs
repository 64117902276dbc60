use std::path::Path;

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::Value,
    common::{Range, Ranged},
    errors::ParseError,
    parse_to_ast,
};

use crate::api::wire::Problem;

/// The text that problems point into.
pub(super) struct Page<'a> {
    /// The file, as people are told.
    pub(super) file: &'a Path,
    text: &'a str,
    /// An entry that came over the wire has a text too, but none that anybody could look at.
    shown: bool,
}

impl<'a> Page<'a> {
    /// A file with `text`.
    pub(super) fn of_file(file: &'a Path, text: &'a str) -> Self {
        Self {
            file,
            text: without_mark(text),
            shown: true,
        }
    }

    /// A text that is meant for `file` and does not stand in it.
    pub(super) fn of_wire(file: &'a Path, text: &'a str) -> Self {
        Self {
            file,
            text,
            shown: false,
        }
    }

    /// Parses the text; `None` when nothing but comments stands in it.
    pub(super) fn parse(&self) -> Result<Option<Value<'a>>, Box<Problem>> {
        parse_to_ast(self.text, &CollectOptions::default(), &dialect())
            .map(|parsed| parsed.value)
            .map_err(|error| self.not_json(&error))
    }

    /// A problem at `range`, of no server.
    pub(super) fn problem(
        &self,
        range: Option<Range>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Box<Problem> {
        let place = range
            .filter(|_| self.shown)
            .map(|range| place(self.text, range.start));
        Box::new(Problem {
            file: self.file.display().to_string(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            server: None,
            field: None,
            message: message.into(),
            remedy: remedy.into(),
        })
    }

    /// The line of `range`, for a message that names a second place.
    pub(super) fn line(&self, range: Range) -> usize {
        place(self.text, range.start).0
    }

    fn not_json(&self, error: &ParseError) -> Box<Problem> {
        self.problem(
            Some(error.range()),
            format!(
                "This is not JSON: {}.",
                lowercase_first(&error.kind().to_string())
            ),
            "Correct the text at this place; comments and trailing commas are allowed.",
        )
    }
}

/// JSON with comments and trailing commas, as editors know it under the name `jsonc`. What goes
/// beyond it would be refused by the other programs that people share such files with.
pub(super) fn dialect() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

/// What `value` is, for people.
pub(super) fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::StringLit(_) => "a text",
        Value::NumberLit(_) => "a number",
        Value::BooleanLit(literal) if literal.value => "true",
        Value::BooleanLit(_) => "false",
        Value::Object(_) => "an object",
        Value::Array(_) => "a list",
        Value::NullKeyword(_) => "null",
    }
}

/// Where `value` stands.
pub(super) fn range(value: &Value<'_>) -> Range {
    value.range()
}

/// `text` without the byte order mark that some editors put before it.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Line and column of a byte, from 1, the column in characters.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let mut line = 1;
    let mut start = 0;
    for (at, char) in before.char_indices() {
        let next = before.as_bytes().get(at + 1);
        if char == '\n' || char == '\r' && next != Some(&b'\n') {
            line += 1;
            start = at + 1;
        }
    }
    (line, before[start..].chars().count() + 1)
}

fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}
