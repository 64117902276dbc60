use jsonc_parser::cst::{CstNode, CstObject, CstObjectProp, CstRootNode};
use serde_json::{Map, Value, json};

use super::{
    append::{self, input},
    page::{dialect, without_mark},
    read::SERVERS,
};

/// What shall become of one entry.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edit<'e> {
    /// It is put behind the others.
    Add(&'e Value),
    /// A merge patch (RFC 7386) is applied to it.
    Patch(&'e Value),
    /// It is taken out.
    Remove,
}

/// Returns `text` with the entry `name` edited, or `None` when the edit cannot be made without
/// touching anything else. `text` must be a file that can be read, and the entry must be there
/// unless it is added.
///
/// The tree keeps every character that is not edited: comments, order, indentation, keys that mean
/// nothing here.
pub(super) fn apply(text: &str, name: &str, edit: Edit<'_>) -> Option<String> {
    let json = without_mark(text);
    let tree = parse(json)?;
    let before = tree.to_serde_value()?;
    let edited = match edit {
        Edit::Add(entry) => append(json, &tree, name, entry)?,
        Edit::Patch(patch) => {
            patch_value(&servers(&tree)?.get(name)?, patch);
            tree.to_string()
        }
        Edit::Remove => {
            servers(&tree)?.get(name)?.remove();
            tree.to_string()
        }
    };
    let after = parse(&edited)?.to_serde_value()?;
    let mark = &text[..text.len() - json.len()];
    (after == edited_value(before, name, edit)?).then(|| format!("{mark}{edited}"))
}

/// Returns `text` with a merge patch (RFC 7386) applied to what stands beside the servers, or `None`
/// when that cannot be done without touching anything else. `text` must be a file that can be read.
pub(super) fn set(text: &str, patch: &Map<String, Value>) -> Option<String> {
    let json = without_mark(text);
    let expected = merge(
        parse(json)?.to_serde_value()?,
        &Value::Object(patch.clone()),
    );
    let mut edited = json.to_owned();
    for (key, value) in patch {
        let tree = parse(&edited)?;
        let root = tree.object_value()?;
        edited = match root.get(key) {
            Some(property) => {
                if value.is_null() {
                    property.remove();
                } else {
                    patch_value(&property, value);
                }
                tree.to_string()
            }
            None if value.is_null() => continue,
            None => append::member(&edited, &tree, &root, key, value)?,
        };
    }
    let mark = &text[..text.len() - json.len()];
    (parse(&edited)?.to_serde_value()? == expected).then(|| format!("{mark}{edited}"))
}

/// Applies a merge patch (RFC 7386): members of `patch` replace those of `target`, `null` takes one
/// out, objects are merged into objects.
pub fn merge(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut merged = match target {
        Value::Object(target) => target,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    for (key, value) in patch {
        if value.is_null() {
            merged.shift_remove(key);
        } else {
            let old = merged.get(key).cloned().unwrap_or(Value::Null);
            merged.insert(key.clone(), merge(old, value));
        }
    }
    Value::Object(merged)
}

/// What the whole file must come to.
fn edited_value(mut file: Value, name: &str, edit: Edit<'_>) -> Option<Value> {
    let servers = file
        .as_object_mut()?
        .entry(SERVERS)
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()?;
    match edit {
        Edit::Add(entry) => {
            servers.insert(name.to_owned(), entry.clone());
        }
        Edit::Patch(patch) => {
            let old = servers.get(name)?.clone();
            servers.insert(name.to_owned(), merge(old, patch));
        }
        Edit::Remove => {
            servers.shift_remove(name)?;
        }
    }
    Some(file)
}

fn parse(json: &str) -> Option<CstRootNode> {
    CstRootNode::parse(json, &dialect()).ok()
}

fn servers(tree: &CstRootNode) -> Option<CstObject> {
    tree.object_value()?.object_value(SERVERS)
}

fn append(json: &str, tree: &CstRootNode, name: &str, entry: &Value) -> Option<String> {
    let root = tree.object_value()?;
    match root.object_value(SERVERS) {
        Some(servers) => append::member(json, tree, &servers, name, entry),
        None => append::member(json, tree, &root, SERVERS, &json!({ name: entry })),
    }
}

fn patch_value(property: &CstObjectProp, patch: &Value) {
    match (property.object_value(), patch) {
        (Some(object), Value::Object(patch)) => patch_object(&object, patch),
        _ => {
            let merged = merge(Value::Null, patch);
            // A value that stays keeps the way it is written, comments in a list included.
            if property.value().as_ref().and_then(CstNode::to_serde_value) != Some(merged.clone()) {
                property.set_value(input(&merged));
            }
        }
    }
}

fn patch_object(object: &CstObject, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match object.get(key) {
            Some(property) if value.is_null() => property.remove(),
            Some(property) => patch_value(&property, value),
            None if value.is_null() => {}
            None => {
                object.append(key, input(&merge(Value::Null, value)));
            }
        }
    }
}
