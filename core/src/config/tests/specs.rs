use std::{collections::BTreeMap, path::Path, path::PathBuf, time::Duration};

use serde_json::json;

use super::*;
use crate::{
    config::check_entry,
    server::{HttpFlavor, Secret, SessionMode, Transport, Value, Written},
};

fn stdio(
    entry_text: &str,
) -> (
    String,
    Vec<String>,
    Option<PathBuf>,
    BTreeMap<String, Value>,
) {
    match entry(entry_text).unwrap().transport {
        Transport::Stdio {
            command,
            args,
            cwd,
            env,
        } => (command, args, cwd, env),
        Transport::Http { .. } => panic!("{entry_text} is over HTTP"),
    }
}

fn http(entry_text: &str) -> (String, BTreeMap<String, Value>, HttpFlavor) {
    match entry(entry_text).unwrap().transport {
        Transport::Http {
            url,
            headers,
            flavor,
        } => (url.into(), headers, flavor),
        Transport::Stdio { .. } => panic!("{entry_text} is a program"),
    }
}

#[test]
fn an_entry_without_more_has_every_default() {
    let spec = entry(r#"{"command": "npx"}"#).unwrap();

    let bare = Transport::Stdio {
        command: "npx".into(),
        args: Vec::new(),
        cwd: None,
        env: BTreeMap::new(),
    };
    assert_eq!(spec, Spec::new(bare));
}

#[test]
fn a_program_has_arguments_a_folder_and_variables() {
    let (command, args, cwd, env) = stdio(
        r#"{"command": "npx", "args": ["-y", "${env:TOKEN}"], "cwd": "/srv",
            "env": {"A": "plain", "B": "x-${env:TOKEN}"}}"#,
    );

    assert_eq!(command, "npx");
    assert_eq!(args, ["-y", "s3cret"]);
    assert_eq!(cwd, Some(PathBuf::from("/srv")));
    assert_eq!(env["A"].written, Secret::new("plain"));
    assert_eq!(env["A"].resolved, Secret::new("plain"));
    assert_eq!(env["B"].written, Secret::new("x-${env:TOKEN}"));
    assert_eq!(env["B"].resolved, Secret::new("x-s3cret"));
}

#[test]
fn texts_that_refer_are_kept_as_they_were_written() {
    let of = |text: &str| entry(text).unwrap().written;
    assert_eq!(
        of(
            r#"{"command": "${env:HOME}/x", "args": ["-t", "${env:TOKEN}", "${other}"],
               "cwd": "~/${env:TOKEN}", "env": {"B": "${env:TOKEN}"}}"#
        ),
        Written {
            command: Some("${env:HOME}/x".into()),
            args: BTreeMap::from([(1, "${env:TOKEN}".into())]),
            cwd: Some("~/${env:TOKEN}".into()),
            url: None,
        }
    );
    assert_eq!(
        of(r#"{"serverUrl": "${env:ORIGIN}/mcp", "args": ["${env:TOKEN}"]}"#),
        Written {
            url: Some("${env:ORIGIN}/mcp".into()),
            ..Written::default()
        }
    );
    let plain = r#"{"command": "x", "args": ["$TOKEN"], "cwd": "/srv", "url": "${env:ORIGIN}",
        "transport": "stdio"}"#;
    assert_eq!(of(plain), Written::default());
}

#[test]
fn an_address_has_headers() {
    let (url, headers, flavor) = http(
        r#"{"url": "${env:ORIGIN}/mcp", "headers": {"Authorization": "Bearer ${env:TOKEN}"}}"#,
    );

    assert_eq!(url, "https://example.com/mcp");
    assert_eq!(flavor, HttpFlavor::Auto);
    let value = &headers["Authorization"];
    assert_eq!(value.written, Secret::new("Bearer ${env:TOKEN}"));
    assert_eq!(value.resolved, Secret::new("Bearer s3cret"));
}

#[test]
fn a_folder_is_found_from_the_home_folder_or_the_files() {
    for (written, wanted) in [
        ("/srv/data", "/srv/data"),
        ("~", "/home/ada"),
        ("~/", "/home/ada"),
        ("~/work", "/home/ada/work"),
        ("work", "/home/ada/.config/narthex/work"),
        ("./~work", "/home/ada/.config/narthex/./~work"),
    ] {
        let (_, _, cwd, _) = stdio(&json!({"command": "x", "cwd": written}).to_string());
        assert_eq!(cwd.as_deref(), Some(Path::new(wanted)), "{written}");
    }
}

#[test]
fn transports_have_many_names() {
    for (written, wanted) in [
        ("auto", HttpFlavor::Auto),
        ("remote", HttpFlavor::Auto),
        ("http", HttpFlavor::Streamable),
        ("streamable-http", HttpFlavor::Streamable),
        ("streamableHttp", HttpFlavor::Streamable),
        ("streamable_http", HttpFlavor::Streamable),
        ("sse", HttpFlavor::Sse),
        ("SSE", HttpFlavor::Sse),
    ] {
        for key in ["type", "transport"] {
            let written = json!({"url": "http://h/", key: written}).to_string();
            assert_eq!(http(&written).2, wanted, "{written}");
        }
    }
    for written in ["auto", "stdio", "local"] {
        stdio(&json!({"command": "x", "type": written}).to_string());
    }
}

#[test]
fn addresses_have_many_names() {
    for key in ["url", "httpUrl", "serverUrl"] {
        assert_eq!(
            http(&json!({key: "http://h:1/p"}).to_string()).0,
            "http://h:1/p"
        );
    }
    http(r#"{"url": "http://h/", "httpUrl": "http://h/"}"#);
}

#[test]
fn the_transport_decides_between_program_and_address() {
    let both = r#""command": "x", "url": "http://h/", "headers": 5"#;
    stdio(&format!(r#"{{{both}, "transport": "stdio"}}"#));

    let both = r#""command": "x", "args": 5, "url": "http://h/""#;
    assert_eq!(
        http(&format!(r#"{{{both}, "type": "sse"}}"#)).2,
        HttpFlavor::Sse
    );
    http(r#"{"url": "http://h/", "type": "http", "transport": "auto"}"#);
    http(r#"{"url": "http://h/", "type": "http", "transport": "streamable-http"}"#);
}

#[test]
fn on_and_off_can_be_said_either_way() {
    for (rest, wanted) in [
        ("", true),
        (r#", "enabled": true"#, true),
        (r#", "enabled": false"#, false),
        (r#", "disabled": true"#, false),
        (r#", "disabled": false"#, true),
        (r#", "enabled": false, "disabled": true"#, false),
        (r#", "enabled": null, "disabled": null"#, true),
    ] {
        let spec = entry(&format!(r#"{{"command": "x"{rest}}}"#)).unwrap();
        assert_eq!(spec.enabled, wanted, "{rest}");
    }
}

#[test]
fn the_rest_of_an_entry_is_read() {
    let spec = entry(
        r#"{"command": "x", "quarantined": true, "initTimeout": "2m", "callTimeout": 0.5,
            "maxConcurrent": 10000, "session": "per_client"}"#,
    )
    .unwrap();

    assert!(spec.quarantined);
    assert_eq!(spec.init_timeout, Some(Duration::from_secs(120)));
    assert_eq!(spec.call_timeout, Duration::from_millis(500));
    assert_eq!(spec.max_concurrent, 10_000);
    assert_eq!(spec.session, SessionMode::PerClient);
}

#[test]
fn a_field_that_is_null_is_not_given() {
    let spec = entry(
        r#"{"command": "x", "args": null, "cwd": null, "env": null, "url": null, "type": null,
            "enabled": null, "callTimeout": null, "maxConcurrent": null, "session": null}"#,
    );

    assert_eq!(spec, entry(r#"{"command": "x"}"#));
}

#[test]
fn entries_of_other_programs_are_read_as_they_are() {
    let read = reading(
        r#"{
          // From the README of a server.
          "inputs": [{"id": "key", "type": "promptString"}],
          "mcpServers": {
            "claude": {"type": "stdio", "command": "npx", "args": ["-y", "a"], "env": {}},
            "cline": {"command": "uvx", "args": ["b"], "disabled": false, "autoApprove": []},
            "gemini": {"httpUrl": "https://h/mcp", "timeout": 5000, "trust": true},
            "windsurf": {"serverUrl": "https://h/sse", "headers": {"X-Key": "k"},},
            "cursor": {"url": "https://h/mcp", "auth": {"CLIENT_ID": "x"}},
            "copilot": {"type": "local", "command": "c", "args": [], "tools": ["*"]},
          },
        }"#,
    );

    assert_eq!(read.problems, []);
    assert_eq!(read.entries.len(), 6);
    assert!(read.entries.values().all(Result::is_ok));
}

#[test]
fn a_byte_order_mark_is_accepted() {
    let read = reading("\u{feff}{\"mcpServers\": {\"x\": {\"command\": 1}}}");

    let problem = &read.problems[0];
    assert_eq!((problem.line, problem.column), (Some(1), Some(34)));
}

#[test]
fn an_entry_on_its_own_takes_the_same_road() {
    let path = Path::new(FILE);
    let written = json!({"command": "x", "cwd": "work", "args": ["${env:TOKEN}"]});

    let (name, spec) = check_entry(path, "x", &written, &env).unwrap();

    assert_eq!(name.as_str(), "x");
    assert_eq!(spec, entry(&written.to_string()).unwrap());

    let wrong = json!({"command": "x", "args": [1]});
    let problem = check_entry(path, "x", &wrong, &env).unwrap_err();
    let in_file = entry(&wrong.to_string()).unwrap_err();
    assert_eq!((problem.line, problem.column), (None, None));
    assert_eq!(problem.message, in_file.message);
    assert_eq!(problem.field.as_deref(), Some("args[0]"));
    assert!(check_entry(path, "..", &written, &env).is_err());
    assert!(check_entry(path, "x", &json!(5), &env).is_err());
}
