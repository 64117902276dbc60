use std::fs;

use serde_json::{Map, Value, json};

use super::*;
use crate::{
    api::wire::LogLevel,
    config::{ConfigFile, EditError, Setting},
};

#[test]
fn settings_stand_beside_the_servers() {
    let reading = reading(
        r#"{"listen": "[::1]:8000", /* loud */ "logLevel": "debug", "maxConcurrent": 7, "mcpServers": {}}"#,
    );
    let settings = reading.settings;
    assert_eq!(settings.listen, Setting::Is("[::1]:8000".parse().unwrap()));
    assert_eq!(settings.log_level, Setting::Is(LogLevel::Debug));
    assert_eq!(settings.max_concurrent, Setting::Is(7));
    assert_eq!(reading.problems, []);
}

#[test]
fn what_is_not_given_is_not_set() {
    for text in [
        r#"{"mcpServers": {}}"#,
        r#"{"listen": null, "logLevel": null, "maxConcurrent": null, "mcpServers": {}}"#,
    ] {
        let reading = reading(text);
        assert_eq!(reading.settings, Default::default());
        assert_eq!(reading.problems, []);
    }
}

#[test]
fn a_setting_that_cannot_be_used_says_where_and_why() {
    for (setting, field, message) in [
        (
            r#""listen": 7410"#,
            "listen",
            "`listen` is a number; it must be a text.",
        ),
        (
            r#""listen": "7410""#,
            "listen",
            "This is not an address with a port.",
        ),
        (
            r#""listen": "0.0.0.0:7410""#,
            "listen",
            "This is not a loopback address: Narthex listens on this machine alone.",
        ),
        (
            r#""logLevel": "loud""#,
            "logLevel",
            "This is not a log level.",
        ),
        (
            r#""logLevel": "info", "logLevel": "debug""#,
            "logLevel",
            "`logLevel` is there twice, first on line 1.",
        ),
        (
            r#""maxConcurrent": 0"#,
            "maxConcurrent",
            "`maxConcurrent` is 0; it must be a whole number from 1 to 10000.",
        ),
        (
            r#""maxConcurrent": "64""#,
            "maxConcurrent",
            "`maxConcurrent` is a text; it must be a number.",
        ),
        (
            r#""max_concurrent": 64"#,
            "max_concurrent",
            "`max_concurrent` is not a key that Narthex knows, and is ignored.",
        ),
        (
            r#""loglevel": "debug""#,
            "loglevel",
            "`loglevel` is not a key that Narthex knows, and is ignored.",
        ),
    ] {
        let reading = reading(&format!("{{{setting}, \"mcpServers\": {{}}}}"));
        let [problem] = &reading.problems[..] else {
            panic!("{setting}: {:?}", reading.problems);
        };
        assert_eq!(problem.field.as_deref(), Some(field));
        assert_eq!(problem.message, message);
        assert_eq!(problem.line, Some(1));
        assert!(problem.remedy.ends_with('.'), "{}", problem.remedy);
    }
}

#[test]
fn the_last_good_one_stays() {
    assert_eq!(Setting::NotValid.or_last(Some(1)), Some(1));
    assert_eq!(Setting::Unset.or_last(Some(1)), None);
    assert_eq!(Setting::Is(2).or_last(Some(1)), Some(2));
}

#[test]
fn an_edit_of_a_setting_touches_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.json");
    let file = ConfigFile::new(path.clone(), folder.path().join("backups"));
    let text = || fs::read_to_string(&path).unwrap();
    let set = |members: Value| file.set(members.as_object().unwrap());
    let before =
        "{\n  // quiet\n  \"logLevel\": \"warn\", // for now\n\n  \"mcpServers\": {} // none\n}\n";
    fs::write(&path, before).unwrap();

    set(json!({"logLevel": "debug", "listen": "127.0.0.1:1"})).unwrap();
    let after = "{\n  // quiet\n  \"logLevel\": \"debug\", // for now\n\n  \"mcpServers\": {}, // none\n  \"listen\": \"127.0.0.1:1\"\n}\n";
    assert_eq!(text(), after);
    assert_eq!(
        fs::read_dir(folder.path().join("backups")).unwrap().count(),
        2,
        "with the lock"
    );

    set(json!({"listen": null})).unwrap();
    assert_eq!(
        text(),
        "{\n  // quiet\n  \"logLevel\": \"debug\", // for now\n\n  \"mcpServers\": {} // none\n}\n"
    );
    set(json!({"listen": null, "logLevel": "debug"})).unwrap();
    assert_eq!(
        fs::read_dir(folder.path().join("backups")).unwrap().count(),
        3
    );
}

#[test]
fn a_file_is_made_for_a_setting_and_a_broken_one_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.json");
    let file = ConfigFile::new(path.clone(), folder.path().join("backups"));
    let quiet = Map::from_iter([("logLevel".to_owned(), json!("error"))]);

    file.set(&Map::from_iter([("logLevel".to_owned(), Value::Null)]))
        .unwrap();
    assert!(!path.exists());
    file.set(&quiet).unwrap();
    let made = fs::read_to_string(&path).unwrap();
    let settings = read::parse(&path, &made, &env).unwrap().settings;
    assert_eq!(settings.log_level, Setting::Is(LogLevel::Error));

    for broken in ["{", "[]", r#"{"logLevel": "info", "logLevel": "warn"}"#] {
        fs::write(&path, broken).unwrap();
        let refused = file.set(&quiet);
        assert!(matches!(refused, Err(EditError::Broken(_))), "{refused:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), broken);
    }
}
