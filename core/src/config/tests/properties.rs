use proptest::prelude::*;
use serde_json::{Value, json};

use crate::config::edit::{Edit, apply};

/// White space and comments, as they may stand between any two tokens.
fn trivia() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => Just(" "),
        2 => Just("\n"),
        1 => Just("\n\n    "),
        1 => Just("\t"),
        1 => Just("/* c, } */"),
        1 => Just("// c\" {\n"),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// A value as it might be written, which holds a mark that is found nowhere else.
fn value(mark: usize) -> impl Strategy<Value = String> {
    (trivia(), trivia(), trivia(), any::<bool>()).prop_map(move |(a, b, c, comma)| {
        let comma = if comma { "," } else { "" };
        format!(
            "{{{a}\"command\":{b}\"x{mark}\"{c},\"args\": [1,{a}2{comma}{b}],{c}\"k\": {{\"d\": {mark}}}{comma}{a}}}"
        )
    })
}

/// A file: what stands before, within and after `mcpServers`, entry by entry.
#[derive(Debug, Clone)]
struct Written {
    text: String,
    entries: Vec<String>,
}

fn written() -> impl Strategy<Value = Written> {
    (1..5_usize)
        .prop_flat_map(|count| {
            let entries: Vec<_> = (0..count)
                .map(|mark| (trivia(), value(mark), trivia()))
                .collect();
            (entries, trivia(), trivia(), any::<bool>(), any::<bool>())
        })
        .prop_map(|(parts, outer, inner, trailing, other)| {
            let count = parts.len();
            let mut servers = String::new();
            for (index, (before, value, after)) in parts.iter().enumerate() {
                let comma = if index + 1 < count || trailing { "," } else { "" };
                servers += &format!("{before}\"n{index}\":{after}{value}{after}{comma}{before}");
            }
            let other = if other { format!("\"profiles\": {{{inner}}},{outer}") } else { String::new() };
            Written {
                text: format!("{outer}{{{inner}{other}\"mcpServers\":{outer}{{{servers}{inner}}}{outer}}}{inner}"),
                entries: parts.into_iter().map(|(_, value, _)| value).collect(),
            }
        })
}

fn edit() -> impl Strategy<Value = (usize, Option<Value>)> {
    let patch = prop_oneof![
        Just(json!({"enabled": false})),
        Just(json!({"command": null})),
        Just(json!({"k": null, "args": ["a"]})),
        Just(json!({"k": {"d": null, "e": {"f": 1}}})),
        Just(json!({"k": 5, "command": "y", "new": [{"a": []}, {}]})),
        Just(json!({"command": null, "args": null, "k": null})),
    ];
    (any::<usize>(), proptest::option::of(patch))
}

/// Whether `long` is `short` with something put in at one place, commas aside.
fn is_one_insertion(short: &str, long: &str) -> bool {
    let [short, long] = [short, long].map(|text| text.replace(',', "").into_bytes());
    let before = short.iter().zip(&long).take_while(|(a, b)| a == b).count();
    let behind = short
        .iter()
        .rev()
        .zip(long.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    short.len() <= long.len() && before + behind >= short.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_edit_leaves_everything_else_untouched(file in written(), (at, patch) in edit()) {
        let index = at % file.entries.len();
        let name = format!("n{index}");
        let edit = patch.as_ref().map_or(Edit::Remove, Edit::Patch);

        let after = apply(&file.text, &name, edit);

        prop_assert!(after.is_some(), "refused");
        let after = after.unwrap();
        for (other, entry) in file.entries.iter().enumerate().filter(|(other, _)| *other != index) {
            prop_assert!(after.contains(entry.as_str()), "n{other} is not what it was in\n{after}");
        }
        let entry = &file.entries[index];
        let (before, behind) = file.text.split_once(entry.as_str()).unwrap();
        if patch.is_some() {
            prop_assert!(after.starts_with(before), "{after}");
            prop_assert!(after.ends_with(behind), "{after}");
        } else {
            prop_assert!(is_one_insertion(&after, &file.text), "{after}");
        }
    }

    #[test]
    fn adding_keeps_every_comment_and_entry(file in written()) {
        let added = json!({"command": "new", "args": []});

        let after = apply(&file.text, "new", Edit::Add(&added));

        prop_assert!(after.is_some(), "refused");
        let after = after.unwrap();
        for entry in &file.entries {
            prop_assert!(after.contains(entry.as_str()), "{entry} is not what it was in\n{after}");
        }
        prop_assert!(is_one_insertion(&file.text, &after), "{after}");
    }
}
