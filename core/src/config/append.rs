use jsonc_parser::cst::{CstContainerNode, CstInputValue, CstNode, CstObject, CstRootNode};
use serde_json::Value;

/// Returns the text of `tree` with a member put behind the last one of `object`, and nothing else
/// changed. `json` is the text as it was.
///
/// An object written on one line stays on it. In others the tree finds the indentation; it also
/// takes away blank lines beside the braces, and these are put back.
pub(super) fn member(
    json: &str,
    tree: &CstRootNode,
    object: &CstObject,
    name: &str,
    value: &Value,
) -> Option<String> {
    let start = start_of(object);
    let members = object.properties();
    let Some(last) = members.last() else {
        object.append(name, input(value));
        return Some(tree.to_string());
    };
    if !object.children().iter().any(CstNode::is_newline) {
        let before = width(&object.children()[..=last.child_index()]);
        let (before, behind) = json.split_at_checked(start + before)?;
        let name = Value::from(name);
        return Some(format!("{before}, {name}: {value}{behind}"));
    }
    let old = Margins::of(&object.to_string())?;
    object.append(name, input(value));
    let edited = tree.to_string();
    let (before, rest) = edited.split_at_checked(start)?;
    let (object, behind) = rest.split_at_checked(object.to_string().len())?;
    let new = Margins::of(object)?;
    let inner = object.get(1 + new.leading.len()..object.len() - 1 - new.trailing.len())?;
    Some(format!(
        "{before}{{{}{inner}{}}}{behind}",
        old.leading, old.trailing
    ))
}

/// The white space within an object's braces, beside them.
struct Margins {
    leading: String,
    trailing: String,
}

impl Margins {
    fn of(object: &str) -> Option<Self> {
        let inner = object.strip_prefix('{')?.strip_suffix('}')?;
        let content = inner.trim();
        let start = inner.len() - inner.trim_start().len();
        Some(Self {
            leading: inner[..start].to_owned(),
            trailing: inner[start + content.len()..].to_owned(),
        })
    }
}

/// Where `object` starts: behind all that stands before it and before what it stands in.
fn start_of(object: &CstObject) -> usize {
    let mut start = 0;
    let mut node = CstNode::from(CstContainerNode::from(object.clone()));
    while let Some(parent) = node.parent() {
        start += width(&parent.children()[..node.child_index()]);
        node = parent.into();
    }
    start
}

fn width(nodes: &[CstNode]) -> usize {
    nodes.iter().map(|node| node.to_string().len()).sum()
}

/// `value` as the tree takes it.
pub(super) fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(list) => CstInputValue::Array(list.iter().map(input).collect()),
        Value::Object(object) => CstInputValue::Object(
            object
                .iter()
                .map(|(key, value)| (key.clone(), input(value)))
                .collect(),
        ),
    }
}
