use std::{
    env,
    error::Error,
    fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use super::Finding;
use crate::{
    app,
    cli::{Context, Failure, config, counted},
    config::Source,
    home::{self, Holder, HolderKind},
    process::{self, Command, Environment, SpawnError},
    server::{Spec, Transport},
};

/// Makes every check.
pub(super) async fn all(context: &Context) -> Result<Vec<Finding>, Failure> {
    let home = context.home()?;
    let mut findings = vec![folder(&home.control_token())];
    findings.extend(
        [home.control_token(), home.client_token()]
            .iter()
            .filter_map(|path| credential(path)),
    );
    let file = home.config_file();
    let found = config::read(&file);
    findings.push(configuration(&file, &found));
    findings.push(core(home::holder(&home), address_of(&found)));
    findings.extend(process::guard().map(guard));
    let told = Environment::told_by_login().await;
    findings.push(path(&told));
    if let Source::Read(reading) = &found {
        let environment = told.unwrap_or_else(|_| Environment::of_this_process());
        let specs = reading
            .entries
            .iter()
            .filter_map(|(name, entry)| Some((name, entry.as_ref().ok()?)));
        findings
            .extend(specs.filter_map(|(name, spec)| command(name.as_str(), spec, &environment)));
    }
    Ok(findings)
}

fn folder(inside: &Path) -> Finding {
    let check = "home";
    let folder = inside.parent().unwrap_or(Path::new("."));
    let shown = folder.display();
    match fs::metadata(folder) {
        Ok(metadata) if !metadata.is_dir() => Finding::bad(
            check,
            format!("{shown} is not a folder"),
            "Move it away, or name another folder with --home.",
        ),
        Ok(metadata) if is_open(&metadata, 0o022) => Finding::bad(
            check,
            format!("others may write into {shown}"),
            format!("Close it: chmod go-w '{shown}'"),
        ),
        Ok(_) => Finding::good(check, shown.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::good(check, format!("{shown} will be made at the first run"))
        }
        Err(error) => Finding::bad(
            check,
            format!("{shown}: {error}"),
            "Name a folder of yours with --home.",
        ),
    }
}

/// A credential that is not there yet is no finding: the first run writes it.
fn credential(path: &Path) -> Option<Finding> {
    let metadata = fs::metadata(path).ok()?;
    let shown = path.display();
    Some(if is_open(&metadata, 0o077) {
        Finding::bad(
            "credential",
            format!("others may read {shown}"),
            format!("Close it: chmod 600 '{shown}'"),
        )
    } else {
        Finding::good("credential", shown.to_string())
    })
}

#[cfg(unix)]
fn is_open(metadata: &fs::Metadata, bits: u32) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & bits != 0
}

/// Elsewhere a profile's folders are closed by the system.
#[cfg(not(unix))]
fn is_open(_: &fs::Metadata, _: u32) -> bool {
    false
}

fn configuration(path: &Path, found: &Source) -> Finding {
    let check = "configuration";
    let shown = path.display();
    match found {
        Source::Missing => Finding::good(check, format!("{shown} is not there yet")),
        Source::Empty => Finding::good(check, format!("{shown} is empty")),
        Source::Broken(problem) => {
            Finding::bad(check, &problem.message, "See where: narthex config check")
        }
        Source::Read(reading) => {
            let unusable = reading.entries.values().filter(|entry| entry.is_err());
            match (unusable.count(), reading.entries.len()) {
                (0, count) => {
                    Finding::good(check, format!("{shown}, {}", counted(count, "server")))
                }
                (unusable, count) => Finding::bad(
                    check,
                    format!(
                        "{shown}: {unusable} of {} cannot be used",
                        counted(count, "server")
                    ),
                    "See why: narthex config check",
                ),
            }
        }
    }
}

/// Returns where a core would listen that is started without `--listen`.
fn address_of(found: &Source) -> SocketAddr {
    let configured = match found {
        Source::Read(reading) => reading.settings.listen.or_last(None),
        Source::Broken(_) | Source::Missing | Source::Empty => None,
    };
    configured.unwrap_or(app::ADDRESS)
}

fn core(holder: Option<Holder>, address: SocketAddr) -> Finding {
    let check = "core";
    if let Some(holder) = holder {
        let address = holder.address.as_deref().unwrap_or("an address to come");
        let since = &holder.since;
        let pid = holder.pid;
        let kind = match holder.kind {
            HolderKind::Desktop => "desktop",
            HolderKind::Serve => "serve",
        };
        return Finding::good(
            check,
            format!("runs as process {pid} ({kind}) at {address} since {since}"),
        );
    }
    match TcpListener::bind(address) {
        Ok(_) => Finding::good(check, format!("none runs; {address} is free")),
        Err(error) => Finding::bad(
            check,
            format!("none runs, and {address} cannot be had: {error}"),
            "End the program that listens there, or name another port with --listen.",
        ),
    }
}

fn guard(found: Result<PathBuf, SpawnError>) -> Finding {
    let check = "guard";
    match found {
        Ok(path) => Finding::good(check, path.display().to_string()),
        Err(error) => Finding::bad(
            check,
            error.to_string(),
            "Install Narthex again: no server starts without its guard.",
        ),
    }
}

/// The `PATH` that a core would start servers with that is started from here.
fn path(told: &Result<Environment, Box<dyn Error + Send + Sync>>) -> Finding {
    let check = "path";
    match told {
        Ok(environment) => {
            let here = env::var_os("PATH").unwrap_or_default();
            let here: Vec<PathBuf> = env::split_paths(&here).collect();
            let folders: Vec<PathBuf> = env::split_paths(environment.path()).collect();
            let more = folders.iter().filter(|folder| !here.contains(folder));
            let (count, more) = (folders.len(), more.count());
            Finding::good(check, format!("{count} folders, {more} of them not here"))
        }
        Err(error) => Finding::bad(
            check,
            format!("the login shell did not say its PATH: {error}"),
            "Look whether `$SHELL -l -i -c 'echo $PATH'` works.",
        ),
    }
}

/// Looks for what a server starts; nothing for one over HTTP.
fn command(name: &str, spec: &Spec, environment: &Environment) -> Option<Finding> {
    let check = "command";
    let command = match &spec.transport {
        Transport::Stdio {
            command,
            args,
            cwd,
            env,
        } => Command {
            program: command.clone(),
            args: args.clone(),
            cwd: cwd.clone(),
            env: env
                .iter()
                .map(|(name, value)| (name.clone(), value.resolved.clone()))
                .collect(),
        },
        Transport::Http { .. } => return None,
    };
    Some(match command.find(environment) {
        Ok(path) => Finding::good(check, format!("{name}: {}", path.display())),
        Err(error) => Finding::bad(check, format!("{name}: {error}"), error.remedy()),
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::{collections::BTreeMap, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::server::{Secret, Value};

    #[test]
    fn a_command_is_looked_for_where_the_core_looks() {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("tool");
        fs::write(&tool, "").unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o700)).unwrap();
        let path = folder.path().to_str().unwrap();
        let path = Value {
            written: Secret::new(path),
            resolved: Secret::new(path),
        };
        let look = |program: &str, env: &[(&str, &Value)]| {
            let env = env
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Value::clone(value)));
            let spec = Spec::new(Transport::Stdio {
                command: program.to_owned(),
                args: Vec::new(),
                cwd: None,
                env: env.collect::<BTreeMap<_, _>>(),
            });
            command("x", &spec, &Environment::of_this_process()).unwrap()
        };

        // An entry's own PATH is where its program is looked up.
        assert!(look("tool", &[("PATH", &path)]).ok);
        let missing = look("tool", &[]);
        assert!(!missing.ok);
        assert!(missing.remedy.unwrap().contains("Install `tool`"));
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(!look(tool.to_str().unwrap(), &[]).ok);
    }
}
