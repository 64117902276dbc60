use serde_json::{Map, Value};

use crate::cli::{Exit, Failure};

/// Whether the tool's schema is needed to know what is meant: `id=7` is a number or a text.
pub(super) fn need_schema(arguments: &[String]) -> bool {
    !arguments.is_empty() && !is_json(arguments)
}

/// Makes the arguments of a call of one JSON object, or of `key=value` pairs. A value is what the
/// schema says it is; where that says nothing, JSON if it can be read so, and text otherwise.
pub(super) fn parse(arguments: &[String], schema: &Value) -> Result<Value, Failure> {
    let usage = |why: String| {
        Failure::new(Exit::Usage, why)
            .remedy("Write one JSON object, or KEY=VALUE for each argument.")
    };
    if let ([object], true) = (arguments, is_json(arguments)) {
        return serde_json::from_str(object)
            .map_err(|error| usage(format!("the arguments are not JSON: {error}")));
    }
    let mut object = Map::new();
    for pair in arguments {
        let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(usage(format!("`{pair}` is no KEY=VALUE")));
        };
        let value = value_of(value, &schema["properties"][key]["type"]);
        object.insert(key.to_owned(), value);
    }
    Ok(Value::Object(object))
}

fn is_json(arguments: &[String]) -> bool {
    matches!(arguments, [only] if only.trim_start().starts_with('{'))
}

fn value_of(text: &str, kind: &Value) -> Value {
    if kind == "string" {
        return Value::from(text);
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Value, Failure> {
        let schema = json!({"properties": {"text": {"type": "string"}, "n": {"type": "integer"}}});
        let arguments: Vec<_> = arguments.iter().map(|a| (*a).to_owned()).collect();
        parse(&arguments, &schema)
    }

    #[test]
    fn a_value_is_what_the_schema_says() {
        assert_eq!(
            parsed(&["text=7", "n=7", "other=[1]", "free=a=b", "empty="]).unwrap(),
            json!({"text": "7", "n": 7, "other": [1], "free": "a=b", "empty": ""})
        );
        assert_eq!(parsed(&[]).unwrap(), json!({}));
        assert_eq!(parsed(&[r#" {"a": 1}"#]).unwrap(), json!({"a": 1}));
    }

    #[test]
    fn what_cannot_be_understood_is_a_matter_of_usage() {
        for wrong in [&["{\"a\""][..], &["=x"], &["word"]] {
            assert_eq!(parsed(wrong).unwrap_err().exit, Exit::Usage, "{wrong:?}");
        }
    }
}
