use std::{fs, io, io::Write, path::Path};

use jsonc_parser::{ParseOptions, cst::CstRootNode};
use serde_json::Value;

use super::{Context, Exit, Failure, say, text};
use crate::client::ClientError;

/// `narthex demo --remove`: takes the demo's entries out of the configuration, through the core
/// where one runs. They are known by what they start, whatever they are called.
pub(super) async fn remove(context: &Context) -> Result<Exit, Failure> {
    let removed = match context.remote() {
        Ok(remote) => {
            let mut removed = Vec::new();
            for server in remote.servers().await?.servers {
                let launch = server.launch.as_ref();
                let is_demo = launch.is_some_and(|launch| {
                    launch
                        .command
                        .as_deref()
                        .is_some_and(|command| is_demo(command, &launch.args))
                });
                if is_demo {
                    match remote.remove(&server.name).await {
                        Ok(_) => removed.push(server.name),
                        // Somebody else did it in the meantime.
                        Err(ClientError::NotFound(_)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            removed
        }
        Err(failure) if failure.exit == Exit::NoCore => {
            remove_from_file(&context.home().config_file())?
        }
        Err(failure) => return Err(failure),
    };
    if removed.is_empty() {
        say("There are no demo servers.")?;
    }
    for name in removed {
        say(format!("Removed {}.", text::printable(&name)))?;
    }
    Ok(Exit::Done)
}

/// Whether this starts the demo server: `narthex demo`, by whatever path.
fn is_demo(command: &str, args: &[String]) -> bool {
    let program = command.rsplit(['/', '\\']).next().unwrap_or(command);
    let program = program.strip_suffix(".exe").unwrap_or(program);
    program == "narthex" && args.iter().map(String::as_str).eq(["demo"])
}

/// Takes the entries out of the file, and leaves every other character of it.
fn remove_from_file(path: &Path) -> Result<Vec<String>, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let broken = || {
        Failure::new(Exit::Failed, "the configuration cannot be read")
            .remedy("See where: narthex config check")
    };
    let root = CstRootNode::parse(&text, &ParseOptions::default()).map_err(|_| broken())?;
    let servers = root
        .object_value()
        .and_then(|root| root.object_value("mcpServers"));
    let mut removed = Vec::new();
    for entry in servers.iter().flat_map(|servers| servers.properties()) {
        let (Some(name), Some(Value::Object(value))) =
            (entry.decoded_name(), entry.to_serde_value())
        else {
            continue;
        };
        let args = value
            .get("args")
            .and_then(|args| serde_json::from_value(args.clone()).ok());
        let args: Vec<String> = args.unwrap_or_default();
        let command = value.get("command").and_then(Value::as_str);
        if command.is_some_and(|command| is_demo(command, &args)) {
            entry.remove();
            removed.push(name);
        }
    }
    if !removed.is_empty() {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(root.to_string().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_demo_is_removed_and_the_rest_of_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("narthex.json");
        let text = "{\n  // mine\n  \"mcpServers\": {\n    \"demo\": {\"command\": \"/opt/narthex\", \"args\": [\"demo\"]},\n    \"other\": {\"command\": \"narthex\", \"args\": [\"demo\", \"--remove\"]}, // keep\n    \"second\": {\"command\": \"narthex\", \"args\": [\"demo\"]}\n  }\n}\n";
        fs::write(&path, text).unwrap();

        assert_eq!(remove_from_file(&path).unwrap(), ["demo", "second"]);

        let left = fs::read_to_string(&path).unwrap();
        assert!(
            left.contains("// mine") && left.contains("// keep"),
            "{left}"
        );
        let root = CstRootNode::parse(&left, &ParseOptions::default()).unwrap();
        let value = root.to_serde_value().unwrap();
        let names: Vec<_> = value["mcpServers"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["other"]);
    }

    #[test]
    fn the_demo_is_known_by_what_it_starts() {
        let args = ["demo".to_owned()];
        assert!(is_demo(r"C:\Program Files\narthex.exe", &args));
        assert!(is_demo("narthex", &args));
        assert!(!is_demo("narthex", &[]));
        assert!(!is_demo("/bin/other", &args));
    }
}
