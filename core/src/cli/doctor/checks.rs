use std::{
    env, fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use super::Finding;
use crate::{
    cli::{Context, Failure, config, counted},
    config::Source,
    home::{self, Holder, HolderKind},
    server::{Spec, Transport},
};

/// Where a core listens unless it is told otherwise.
const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7410);

/// How long a login shell may take to say its PATH: some load half a development environment.
const SHELL_TIMEOUT: Duration = Duration::from_secs(10);

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
    findings.push(core(home::holder(&home)));
    findings.push(guard());
    let login = login_path().await;
    findings.push(path(login.as_deref()));
    if let Source::Read(reading) = &found {
        let search = login.or_else(|| env::var("PATH").ok()).unwrap_or_default();
        let specs = reading
            .entries
            .iter()
            .filter_map(|(name, entry)| Some((name, entry.as_ref().ok()?)));
        findings.extend(specs.filter_map(|(name, spec)| command(name.as_str(), spec, &search)));
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

fn core(holder: Option<Holder>) -> Finding {
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
    match TcpListener::bind(DEFAULT_ADDRESS) {
        Ok(_) => Finding::good(check, format!("none runs; {DEFAULT_ADDRESS} is free")),
        Err(error) => Finding::bad(
            check,
            format!("none runs, and {DEFAULT_ADDRESS} cannot be had: {error}"),
            "End the program that listens there, or name another port with --listen.",
        ),
    }
}

fn guard() -> Finding {
    let check = "guard";
    let name = format!("narthex-guard{}", env::consts::EXE_SUFFIX);
    let beside = env::current_exe().map(|program| program.with_file_name(&name));
    match beside {
        Ok(path) if path.is_file() => Finding::good(check, path.display().to_string()),
        Ok(path) => Finding::bad(
            check,
            format!("{} is not there", path.display()),
            "Install Narthex again: without its guard, servers may outlive it.",
        ),
        Err(error) => Finding::bad(
            check,
            format!("cannot tell where this program is: {error}"),
            "Run narthex by its full path.",
        ),
    }
}

fn path(login: Option<&str>) -> Finding {
    let check = "path";
    let here = env::var("PATH").unwrap_or_default();
    match login {
        Some(login) => {
            let count = env::split_paths(login).count();
            let here: Vec<PathBuf> = env::split_paths(&here).collect();
            let more = env::split_paths(login)
                .filter(|folder| !here.contains(folder))
                .count();
            Finding::good(
                check,
                format!("{count} folders of the login shell, {more} of them not here"),
            )
        }
        None if cfg!(unix) => Finding::bad(
            check,
            "the login shell did not say its PATH",
            "Look whether `$SHELL -lc 'echo $PATH'` works.",
        ),
        None => Finding::good(
            check,
            format!("{} folders", env::split_paths(&here).count()),
        ),
    }
}

/// Asks the login shell for its PATH: that is what a desktop started at login can be given, and
/// where a person's `npx` and `uvx` are.
async fn login_path() -> Option<String> {
    if !cfg!(unix) {
        return None;
    }
    let shell = env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
    let asked = tokio::process::Command::new(shell)
        .args(["-lc", r#"printf '\n%s' "$PATH""#])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(SHELL_TIMEOUT, asked)
        .await
        .ok()?
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    // A profile may greet; the PATH is the last line.
    said.lines()
        .last()
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
}

/// Looks for what a server starts; nothing for one over HTTP.
fn command(name: &str, spec: &Spec, search: &str) -> Option<Finding> {
    let check = "command";
    let command = match &spec.transport {
        Transport::Stdio { command, .. } => command,
        Transport::Http { .. } => return None,
    };
    Some(match find_program(command, search) {
        Some(path) => Finding::good(check, format!("{name}: {}", path.display())),
        None => Finding::bad(
            check,
            format!("{name}: `{command}` was not found"),
            "Install it, or write its full path into the entry.",
        ),
    })
}

fn find_program(command: &str, search: &str) -> Option<PathBuf> {
    if command.contains(['/', '\\']) {
        return Some(PathBuf::from(command)).filter(|path| path.is_file());
    }
    let suffixes: &[&str] = if cfg!(windows) {
        &["", ".exe", ".cmd", ".bat"]
    } else {
        &[""]
    };
    env::split_paths(search)
        .flat_map(|folder| {
            suffixes
                .iter()
                .map(move |suffix| folder.join(format!("{command}{suffix}")))
        })
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_looked_for_where_the_login_shell_looks() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tool"), "").unwrap();
        let search = folder.path().to_str().unwrap();
        assert_eq!(
            find_program("tool", search),
            Some(folder.path().join("tool"))
        );
        assert_eq!(find_program("other", search), None);
    }
}
