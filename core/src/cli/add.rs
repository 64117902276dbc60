use serde_json::{Map, Value, json};

use super::{Context, Exit, Failure, args::Add, print_json, say, terminal, text};
use crate::api::wire::Action;

/// `narthex add`.
pub(super) async fn add(context: &Context, server: Add) -> Result<Exit, Failure> {
    let entry = entry(&server)?;
    let written = context.remote()?.add(&server.name, entry).await?;
    if context.json {
        print_json(&written)?;
        return Ok(Exit::Done);
    }
    let name = text::printable(&server.name);
    say(format!(
        "Added {name}. {}",
        text::printable(&written.server.sentence)
    ))?;
    if matches!(
        written.server.action,
        Some(Action::Approve | Action::Review)
    ) {
        say(format!("Review it: narthex approve {name}"))?;
    }
    Ok(Exit::Done)
}

/// `narthex remove`.
pub(super) async fn remove(context: &Context, name: &str, yes: bool) -> Result<Exit, Failure> {
    let remote = context.remote()?;
    if !yes {
        if !terminal::is_interactive() {
            let why = "removing asks first, and there is no terminal to ask on";
            return Err(Failure::new(Exit::Refused, why).remedy("Say --yes."));
        }
        // Nobody is asked about a server that is not there.
        remote.server(name).await?;
        let name = text::printable(name);
        if !terminal::confirm(&format!("Remove {name} from the configuration?"))? {
            return Err(Failure::new(Exit::Refused, "it was not removed"));
        }
    }
    let removed = remote.remove(name).await?;
    if context.json {
        print_json(&removed)?;
    } else {
        say(format!("Removed {}.", text::printable(name)))?;
    }
    Ok(Exit::Done)
}

/// Makes the entry as it shall stand in the file, with nothing in it that was not said.
fn entry(server: &Add) -> Result<Value, Failure> {
    if let Some(text) = &server.entry {
        return match serde_json::from_str(text) {
            Ok(entry @ Value::Object(_)) => Ok(entry),
            Ok(_) => Err(Failure::new(Exit::Usage, "the entry must be a JSON object")),
            Err(error) => Err(Failure::new(
                Exit::Usage,
                format!("the entry is not JSON: {error}"),
            )),
        };
    }
    let mut entry = Map::new();
    if let Some(url) = &server.url {
        entry.insert("url".into(), json!(url));
    }
    if let [command, args @ ..] = server.command.as_slice() {
        entry.insert("command".into(), json!(command));
        if !args.is_empty() {
            entry.insert("args".into(), json!(args));
        }
    }
    for (key, pairs) in [("headers", &server.headers), ("env", &server.env)] {
        if !pairs.is_empty() {
            let pairs = pairs.iter().map(|(key, value)| (key.clone(), json!(value)));
            entry.insert(key.into(), Value::Object(pairs.collect()));
        }
    }
    Ok(Value::Object(entry))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Ask, Cli, Command};

    fn entry_of(line: &[&str]) -> Value {
        let Command::Ask(Ask::Add(server)) = Cli::try_parse_from(line).unwrap().command else {
            panic!("{line:?}");
        };
        entry(&server).unwrap()
    }

    #[test]
    fn the_entry_is_what_was_said() {
        assert_eq!(
            entry_of(&[
                "narthex", "add", "--env", "A=b=c", "x", "--", "npx", "-y", "--json"
            ]),
            json!({"command": "npx", "args": ["-y", "--json"], "env": {"A": "b=c"}})
        );
        assert_eq!(
            entry_of(&[
                "narthex",
                "add",
                "x",
                "--url",
                "http://h/",
                "--header",
                "K=v"
            ]),
            json!({"url": "http://h/", "headers": {"K": "v"}})
        );
        assert_eq!(
            entry_of(&["narthex", "add", "--json", r#"{"command":"c","x":1}"#, "x"]),
            json!({"command": "c", "x": 1})
        );
    }
}
