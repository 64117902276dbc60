use std::fs;

use super::*;
use crate::config::{Source, read};

/// Where a problem is, what it is about and what it says, in a line.
fn line(problem: &Problem) -> String {
    assert_eq!(problem.file, FILE);
    assert!(problem.remedy.ends_with('.'), "{}", problem.remedy);
    format!(
        "{}:{} {} {} · {} · {}",
        problem.line.unwrap(),
        problem.column.unwrap(),
        problem.server.as_deref().unwrap_or("–"),
        problem.field.as_deref().unwrap_or("–"),
        problem.message,
        problem.remedy,
    )
}

#[test]
fn what_cannot_be_used_says_where_and_why() {
    let entries = [
        "5",
        "[]",
        "{}",
        r#"{"command": 5}"#,
        r#"{"command": " "}"#,
        r#"{"command": ["npx", "-y"]}"#,
        r#"{"command": "x\u0000"}"#,
        r#"{"command": "x", "args": "-y a"}"#,
        r#"{"command": "x", "args": ["-p", "1", 8080]}"#,
        r#"{"command": "x", "args": ["${env:NOT_SET}"]}"#,
        r#"{"command": "x", "args": ["${env:}"]}"#,
        r#"{"command": "x", "env": ["A=b"]}"#,
        r#"{"command": "x", "env": {"PORT": 8080}}"#,
        r#"{"command": "x", "env": {"DEBUG": true}}"#,
        r#"{"command": "x", "env": {"A": null}}"#,
        r#"{"command": "x", "env": {"A=B": "c"}}"#,
        r#"{"command": "x", "env": {"": "c"}}"#,
        r#"{"command": "x", "env": {"A": "1", "B": "2", "A": "3"}}"#,
        r#"{"command": "x", "cwd": ""}"#,
        r#"{"command": "x", "cwd": "~bob/work"}"#,
        r#"{"command": "x", "command": "y"}"#,
        r#"{"command": "x", "url": "http://h/"}"#,
        r#"{"command": "x", "transport": "http"}"#,
        r#"{"url": "http://h/", "type": "stdio"}"#,
        r#"{"url": "http://h/", "type": "pigeon"}"#,
        r#"{"url": "http://h/", "type": "sse", "transport": "http"}"#,
        r#"{"url": "http://h/", "serverUrl": "http://i/"}"#,
        r#"{"url": "h/mcp"}"#,
        r#"{"url": "ftp://h/"}"#,
        r#"{"url": "data:text/plain,x"}"#,
        r#"{"url": "https://ada:pw@h/"}"#,
        r#"{"url": "https://ada@h/"}"#,
        r#"{"url": "http://h/", "headers": {"X Key": "k"}}"#,
        r#"{"url": "http://h/", "headers": {"X-Key:": "k"}}"#,
        r#"{"url": "http://h/", "headers": {"X-Key": "${env:LINES}"}}"#,
        r#"{"url": "http://h/", "headers": {"X-Key": "k", "x-key": "l"}}"#,
        r#"{"command": "x", "enabled": "false"}"#,
        r#"{"command": "x", "enabled": true, "disabled": true}"#,
        r#"{"command": "x", "quarantined": 1}"#,
        r#"{"command": "x", "initTimeout": 0}"#,
        r#"{"command": "x", "callTimeout": "soon"}"#,
        r#"{"command": "x", "callTimeout": []}"#,
        r#"{"command": "x", "callTimeout": 1e400}"#,
        r#"{"command": "x", "maxConcurrent": 0}"#,
        r#"{"command": "x", "maxConcurrent": 10001}"#,
        r#"{"command": "x", "maxConcurrent": 1.5}"#,
        r#"{"command": "x", "maxConcurrent": "64"}"#,
        r#"{"command": "x", "session": "mine"}"#,
    ];

    let said: Vec<String> = entries
        .into_iter()
        .map(|written| format!("{written}\n  {}", line(&entry(written).unwrap_err())))
        .collect();

    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_bad_entry_costs_only_itself() {
    let read = reading(
        "{\n  \"mcpServers\": {\n    \"good\": {\"command\": \"x\"},\n    \
         // ein Läufer\n    \"bad\": {\"args\": [\"ä\", 5], \"command\": \"y\"},\n    \
         \"..\": {\"command\": \"x\"},\n    \
         \"also\": {\"url\": \"http://h/\"}\n  }\n}\n",
    );

    assert!(read.entries["good"].is_ok());
    assert!(read.entries["also"].is_ok());
    assert_eq!(read.entries.len(), 3);
    let bad = read.entries["bad"].clone().unwrap_err();
    assert_eq!((bad.line, bad.column), (Some(5), Some(27)));
    assert_eq!(bad.server.as_deref(), Some("bad"));
    assert_eq!(bad.field.as_deref(), Some("args[1]"));
    assert_eq!(read.problems.len(), 2);
    assert_eq!(read.problems[0], bad);
    assert_eq!(read.problems[1].server.as_deref(), Some(".."));
    assert_eq!(read.problems[1].line, Some(6));
}

#[test]
fn a_name_that_is_there_twice_is_not_valid() {
    let read = reading(
        "{\"mcpServers\": {\n\"a\": {\"command\": \"x\"},\n\"b\": {\"command\": \"x\"},\n\"a\": {\"command\": \"y\"}}}",
    );

    assert!(read.entries["b"].is_ok());
    let problem = read.entries["a"].clone().unwrap_err();
    assert_eq!(read.problems, std::slice::from_ref(&problem));
    assert_eq!((problem.line, problem.column), (Some(4), Some(1)));
    assert!(problem.message.contains("first on line 2"));
}

#[test]
fn notices_leave_the_entry_valid() {
    let read = reading(
        r#"{"mcpServers": {"x": {"command": "x", "arg": [], "timeout": 5,
            "env": {"KEY": "${input:key}"}}}}"#,
    );

    assert!(read.entries["x"].is_ok());
    let said: Vec<String> = read.problems.iter().map(line).collect();
    assert_eq!(
        said,
        [
            "1:39 x arg · `arg` is not a key that Narthex knows, and is ignored. · \
             Write `args` if that is what is meant.",
            "2:28 x env.KEY · `${input:key}` in `env.KEY` is passed on as it stands. · \
             Write `${env:NAME}` for a variable of the environment.",
        ]
    );
}

#[test]
fn a_file_without_servers_gets_a_notice() {
    for (text, remedy) in [
        ("{}", "Add `\"mcpServers\": {}` and the servers in it."),
        (
            "{\"profiles\": {}}",
            "Add `\"mcpServers\": {}` and the servers in it.",
        ),
        (
            "{\"servers\": {}}",
            "Rename `servers` to `mcpServers` if the servers stand there.",
        ),
        (
            "{\"context_servers\": {}}",
            "Rename `context_servers` to `mcpServers` if the servers stand there.",
        ),
        (
            "{\"git\": {\"command\": \"x\"}}",
            "Put the servers, such as `git`, under `mcpServers`.",
        ),
    ] {
        let read = reading(text);
        assert!(read.entries.is_empty());
        assert_eq!(read.problems.len(), 1, "{text}");
        assert_eq!(read.problems[0].remedy, remedy);
    }
    assert_eq!(reading("{\"mcpServers\": {}}"), Reading::default());
}

#[test]
fn a_file_that_is_not_understood_is_broken() {
    for (text, line, column, message) in [
        ("{\"mcpServers\": {\n  \"ä\": {,}}}", 2, 9, "not JSON"),
        ("{\"mcpServers\": {}", 1, 1, "not JSON"),
        ("{\"a\": 1 \"b\": 2}", 1, 8, "expected comma"),
        ("{a: 1}", 1, 2, "not JSON"),
        ("{'a': 1}", 1, 2, "not JSON"),
        ("{\"a\": \"\\ud800\"}", 1, 8, "not JSON"),
        ("[]", 1, 1, "a list; it must hold an object"),
        ("// x\n null", 2, 2, "null; it must hold"),
        ("{\"mcpServers\": []}", 1, 16, "`mcpServers` is a list"),
        ("{\"mcpServers\": null}", 1, 16, "`mcpServers` is null"),
        (
            "{\"mcpServers\": {},\n\"mcpServers\": {}}",
            2,
            1,
            "twice, first on line 1",
        ),
    ] {
        let problem = read::parse(Path::new(FILE), text, &env).unwrap_err();
        assert_eq!(
            (problem.line, problem.column),
            (Some(line), Some(column)),
            "{text}"
        );
        assert!(problem.message.contains(message), "{}", problem.message);
    }
}

#[test]
fn deep_nesting_is_broken_rather_than_fatal() {
    let text = format!("{{\"a\": {}", "[".repeat(100_000));

    let problem = read::parse(Path::new(FILE), &text, &env).unwrap_err();

    assert!(problem.message.contains("nesting"), "{}", problem.message);
}

#[test]
fn sources_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.json");
    assert_eq!(read(&path, &env), Source::Missing);
    assert_eq!(
        read(&folder.path().join("no/narthex.json"), &env),
        Source::Missing
    );

    for blank in ["", " \r\n\t", "\u{feff}", "\u{feff}\n"] {
        fs::write(&path, blank).unwrap();
        assert_eq!(read(&path, &env), Source::Empty, "{blank:?}");
    }
    fs::write(&path, "{\"mcpServers\": {}}").unwrap();
    assert_eq!(read(&path, &env), Source::Read(Reading::default()));

    for (bytes, line, column, message) in [
        (
            &b"// only a comment"[..],
            None,
            None,
            "Nothing but comments",
        ),
        (b"{\n  \"\xc3\xa4\xff\"}", Some(2), Some(5), "UTF-8"),
        (b"\xff\xfe{\0}\0", Some(1), Some(1), "UTF-8"),
    ] {
        fs::write(&path, bytes).unwrap();
        let Source::Broken(problem) = read(&path, &env) else {
            panic!("{message}");
        };
        assert_eq!((problem.line, problem.column), (line, column));
        assert!(problem.message.contains(message), "{}", problem.message);
        assert_eq!(problem.file, path.display().to_string());
    }
}

#[test]
fn what_is_no_file_is_broken() {
    let folder = tempfile::tempdir().unwrap();

    let Source::Broken(problem) = read(folder.path(), &env) else {
        panic!("a folder was read");
    };

    assert_eq!(problem.message, "The file cannot be read: it is a folder.");
    assert_eq!(problem.remedy, "Put the file in its place that is meant.");
}

#[cfg(unix)]
#[test]
fn a_file_without_permission_is_broken() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.json");
    fs::write(&path, "{}").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        // The superuser may read everything, so there is nothing to see.
        return;
    }

    let Source::Broken(problem) = read(&path, &env) else {
        panic!("it was read");
    };

    assert!(
        problem.remedy.contains("right to read"),
        "{}",
        problem.remedy
    );
}

#[test]
fn problems_hold_no_secrets() {
    for written in [
        r#"{"url": "http://h/", "headers": {"X-Key": "s3cret\n"}}"#,
        r#"{"url": "http://h/", "headers": {"X-Key": ["s3cret"]}}"#,
        r#"{"url": "${env:TOKEN}"}"#,
        r#"{"url": "https://ada:s3cret@h/"}"#,
        r#"{"command": "x", "env": {"KEY": {"is": "s3cret"}}}"#,
    ] {
        let problem = entry(written).unwrap_err();
        assert!(!format!("{problem:?}").contains("s3cret"), "{problem:?}");
    }
}
