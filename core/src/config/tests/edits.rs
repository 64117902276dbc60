use std::{fs, path::PathBuf, thread};

use serde_json::json;

use super::*;
use crate::config::{ConfigFile, EditError, merge};

struct Case {
    folder: tempfile::TempDir,
    path: PathBuf,
    file: ConfigFile,
}

impl Case {
    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("narthex.json");
        let file = ConfigFile::new(path.clone(), folder.path().join("backups"));
        Self { folder, path, file }
    }

    fn of(text: &str) -> Self {
        let case = Self::empty();
        fs::write(&case.path, text).unwrap();
        case
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn backups(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.folder.path().join("backups")) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("narthex.json."))
            .collect();
        names.sort();
        names
    }
}

const COMMENTED: &str = r#"// mine
{
    "profiles": {"work": ["git"]}, // not ours

    /* the servers */
    "mcpServers": {
        // the first
        "git": {
            "command": "uvx", // as it must be
            "args": [
                "mcp-server-git", // the package
                "--verbose"
            ],
            "timeout": 5000
        },
        // the second
        "web": {"url": "https://h/mcp", "headers": {"X-Key": "${env:KEY}"}} // on one line
    }
}
"#;

#[test]
fn an_added_entry_stands_behind_the_others() {
    let case = Case::of(COMMENTED);

    case.file
        .add(
            &name("new"),
            &json!({"command": "npx", "args": ["-y", "x"], "env": {"A": "b\"c"}}),
        )
        .unwrap();

    let old_end = "}} // on one line\n    }\n}\n";
    let new_end = r#"}}, // on one line
        "new": {
            "command": "npx",
            "args": ["-y", "x"],
            "env": {
                "A": "b\"c"
            }
        }
    }
}
"#;
    assert_eq!(case.text(), COMMENTED.replace(old_end, new_end));
}

#[test]
fn a_patch_touches_only_what_it_names() {
    let case = Case::of(COMMENTED);

    case.file
        .patch(
            &name("git"),
            &json!({"enabled": false, "timeout": null, "command": "uv",
                    "args": ["mcp-server-git", "--verbose"], "env": {"A": "1", "B": null}}),
        )
        .unwrap();

    let wanted = COMMENTED.replace(r#""uvx""#, r#""uv""#).replace(
        "            \"timeout\": 5000\n",
        "            \"enabled\": false,\n            \"env\": {\n                \"A\": \"1\"\n            }\n",
    );
    assert_eq!(case.text(), wanted);
    let entry = case.file.entry(&name("git")).unwrap();
    assert_eq!(
        entry,
        json!({"command": "uv", "args": ["mcp-server-git", "--verbose"],
               "enabled": false, "env": {"A": "1"}})
    );
}

#[test]
fn a_patch_reaches_into_an_entry_on_one_line() {
    let case = Case::of(COMMENTED);

    case.file
        .patch(&name("web"), &json!({"headers": {"X-Key": "k"}}))
        .unwrap();

    assert_eq!(case.text(), COMMENTED.replace("${env:KEY}", "k"));
}

#[test]
fn a_removed_entry_leaves_the_others() {
    let case = Case::of(COMMENTED);
    case.file.remove(&name("git")).unwrap();
    let (before, rest) = COMMENTED.split_once("        \"git\"").unwrap();
    let (_, after) = rest.split_once("5000\n        },\n").unwrap();
    assert_eq!(case.text(), format!("{before}{after}"));

    let case = Case::of(COMMENTED);
    case.file.remove(&name("web")).unwrap();
    let text = case.text();
    assert!(
        text.starts_with(COMMENTED.split_once("        },").unwrap().0),
        "{text}"
    );
    assert!(text.contains("// the second"), "{text}");
    assert!(!text.contains("https://h/mcp"), "{text}");
}

#[test]
fn the_style_of_the_file_is_kept() {
    for (text, wanted) in [
        (
            "{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": {},\r\n\t},\r\n}\r\n",
            "{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": {},\r\n\t\t\"n\": {\r\n\t\t\t\"command\": \"x\",\r\n\t\t},\r\n\t},\r\n}\r\n",
        ),
        (
            "\u{feff}{\n  \"mcpServers\": {}\n}",
            "\u{feff}{\n  \"mcpServers\": {\n    \"n\": {\n      \"command\": \"x\"\n    }\n  }\n}",
        ),
        (
            "{\n   \"profiles\": {} // keep\n}\n",
            "{\n   \"profiles\": {}, // keep\n   \"mcpServers\": {\n      \"n\": {\n         \"command\": \"x\"\n      }\n   }\n}\n",
        ),
    ] {
        let case = Case::of(text);
        case.file.add(&name("n"), &json!({"command": "x"})).unwrap();
        assert_eq!(case.text(), wanted);
    }
}

#[test]
fn a_missing_or_empty_file_is_made() {
    for case in [Case::empty(), Case::of(""), Case::of(" \n")] {
        let found = case.file.entry(&name("x"));
        assert!(matches!(found, Err(EditError::NotFound(_))));

        case.file
            .add(&name("x"), &json!({"command": "npx"}))
            .unwrap();

        insta::allow_duplicates! {
            insta::assert_snapshot!(case.text(), @r#"
            // The MCP servers that Narthex runs, each once a person has approved it.
            // Comments and trailing commas are welcome; changes are picked up when the file is saved.
            {
              "mcpServers": {
                "x": {
                  "command": "npx"
                }
              }
            }
            "#);
        }
    }
}

#[cfg(unix)]
#[test]
fn permissions_and_links_are_kept() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let case = Case::of("{}");
    fs::set_permissions(&case.path, fs::Permissions::from_mode(0o640)).unwrap();
    case.file.add(&name("x"), &json!({})).unwrap();
    assert_eq!(mode(&case.path), 0o640);

    let case = Case::empty();
    case.file.add(&name("x"), &json!({})).unwrap();
    assert_eq!(mode(&case.path), 0o600);
    let lock = case.folder.path().join("backups/.lock");
    assert_eq!(mode(&lock), 0o600);

    for start in [Some("{}"), None] {
        let case = Case::empty();
        let dotfiles = case.folder.path().join("dotfiles");
        fs::create_dir(&dotfiles).unwrap();
        let target = dotfiles.join("n.json");
        if let Some(text) = start {
            fs::write(&target, text).unwrap();
        }
        symlink("dotfiles/n.json", &case.path).unwrap();

        case.file.add(&name("x"), &json!({})).unwrap();

        assert!(fs::symlink_metadata(&case.path).unwrap().is_symlink());
        assert!(fs::read_to_string(&target).unwrap().contains("\"x\""));
        assert_eq!(fs::read_dir(&dotfiles).unwrap().count(), 1);
    }

    let case = Case::empty();
    symlink("narthex.json", &case.path).unwrap();
    assert!(case.file.add(&name("x"), &json!({})).is_err());
}

#[test]
fn refused_edits_change_nothing() {
    let twice = r#"{"mcpServers": {"a": {}, "b": {}, "a": {}}}"#;
    let broken = |result: Result<(), EditError>| matches!(result, Err(EditError::Broken(_)));
    let case = Case::of(twice);
    assert!(matches!(
        case.file.add(&name("b"), &json!({})),
        Err(EditError::Exists(_))
    ));
    assert!(matches!(
        case.file.patch(&name("c"), &json!({})),
        Err(EditError::NotFound(_))
    ));
    assert!(matches!(
        case.file.remove(&name("c")),
        Err(EditError::NotFound(_))
    ));
    assert!(matches!(
        case.file.add(&name("c"), &json!(5)),
        Err(EditError::NotAnObject)
    ));
    assert!(matches!(
        case.file.patch(&name("b"), &json!(null)),
        Err(EditError::NotAnObject)
    ));
    assert!(broken(case.file.add(&name("a"), &json!({}))));
    assert!(broken(case.file.patch(&name("a"), &json!({}))));
    assert!(broken(case.file.remove(&name("a"))));
    assert_eq!(case.text(), twice);

    for text in ["{", "[]", "// only", "{\"mcpServers\": []}"] {
        let case = Case::of(text);
        assert!(broken(case.file.add(&name("c"), &json!({}))), "{text}");
        assert!(broken(case.file.remove(&name("c"))), "{text}");
        assert!(broken(case.file.entry(&name("c")).map(drop)), "{text}");
        assert_eq!(case.text(), text);
        assert_eq!(case.backups().len(), 0);
    }
}

#[test]
fn an_edit_that_changes_nothing_writes_nothing() {
    let case = Case::of(COMMENTED);

    case.file
        .patch(&name("git"), &json!({"command": "uvx", "cwd": null}))
        .unwrap();

    assert_eq!(case.text(), COMMENTED);
    assert_eq!(case.backups().len(), 0);
}

#[test]
fn each_edit_keeps_the_file_as_it_was() {
    let case = Case::of(COMMENTED);

    for index in 0..25 {
        case.file
            .patch(&name("git"), &json!({"maxConcurrent": index + 1}))
            .unwrap();
    }

    assert_eq!(case.backups().len(), 20);
    assert_eq!(case.file.entry(&name("git")).unwrap()["maxConcurrent"], 25);
    let files = fs::read_dir(case.folder.path()).unwrap().count();
    assert_eq!(files, 2, "nothing but the file and its copies is left");
}

#[test]
fn edits_at_once_all_happen() {
    let case = Case::of(COMMENTED);

    thread::scope(|scope| {
        for index in 0..8 {
            let case = &case;
            scope.spawn(move || {
                let backups = case.folder.path().join("backups");
                let file = ConfigFile::new(case.path.clone(), backups);
                let name = name(&format!("n{index}"));
                file.add(&name, &json!({"command": "x"})).unwrap();
                file.patch(&name, &json!({"enabled": false})).unwrap();
            });
        }
    });

    for index in 0..8 {
        let entry = case.file.entry(&name(&format!("n{index}"))).unwrap();
        assert_eq!(entry, json!({"command": "x", "enabled": false}));
    }
    assert_eq!(reading(&case.text()).entries.len(), 10);
}

/// The examples of RFC 7386, appendix A.
#[test]
fn merging_is_that_of_the_rfc() {
    for (target, patch, wanted) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (
            json!({"a": "b"}),
            json!({"b": "c"}),
            json!({"a": "b", "b": "c"}),
        ),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (
            json!({"a": "b", "b": "c"}),
            json!({"a": null}),
            json!({"b": "c"}),
        ),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (
            json!({"a": {"b": "c"}}),
            json!({"a": {"b": "d", "c": null}}),
            json!({"a": {"b": "d"}}),
        ),
        (
            json!({"a": [{"b": "c"}]}),
            json!({"a": [1]}),
            json!({"a": [1]}),
        ),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "foo"}), json!(null), json!(null)),
        (
            json!({"e": null}),
            json!({"a": 1}),
            json!({"e": null, "a": 1}),
        ),
        (
            json!([1, 2]),
            json!({"a": "b", "c": null}),
            json!({"a": "b"}),
        ),
        (
            json!({}),
            json!({"a": {"bb": {"ccc": null}}}),
            json!({"a": {"bb": {}}}),
        ),
    ] {
        assert_eq!(merge(target, &patch), wanted);
    }
}
