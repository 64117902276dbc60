use super::{Context, Exit, Failure, config, say, text};
use crate::{
    client::ClientError,
    config::{ConfigFile, Source},
    home::Home,
    server::{Spec, Transport},
};

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
        Err(failure) if failure.exit == Exit::NoCore => remove_from_file(&context.home()?)?,
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

/// Takes the entries out of the file, with a copy of it kept.
fn remove_from_file(home: &Home) -> Result<Vec<String>, Failure> {
    let path = home.config_file();
    let reading = match config::read(&path) {
        Source::Read(reading) => reading,
        Source::Missing | Source::Empty => return Ok(Vec::new()),
        Source::Broken(problem) => {
            return Err(Failure::new(Exit::Failed, problem.message).remedy(problem.remedy));
        }
    };
    let file = ConfigFile::new(path, home.backups_dir());
    let mut removed = Vec::new();
    for (name, entry) in reading.entries {
        let Ok(Spec {
            transport: Transport::Stdio { command, args, .. },
            ..
        }) = entry
        else {
            continue;
        };
        if is_demo(&command, &args) {
            file.remove(&name)
                .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
            removed.push(name.to_string());
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_the_demo_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(folder.path().to_owned())).unwrap();
        let text = r#"{"mcpServers": {
            "first": {"command": "/opt/narthex", "args": ["demo"]},
            "other": {"command": "narthex", "args": ["demo", "--remove"]},
            "second": {"command": "narthex", "args": ["demo"]}
        }}"#;
        fs::write(home.config_file(), text).unwrap();

        assert_eq!(remove_from_file(&home).unwrap(), ["first", "second"]);

        let Source::Read(left) = config::read(&home.config_file()) else {
            panic!("the file can be read");
        };
        let names: Vec<_> = left.entries.keys().map(ToString::to_string).collect();
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
