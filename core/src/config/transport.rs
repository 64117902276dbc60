use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use axum::http::{HeaderName, HeaderValue};
use directories::BaseDirs;
use jsonc_parser::{ast::Value, common::Range};
use url::Url;

use super::{
    field::{Fields, Pair, Text},
    reference,
};
use crate::{
    api::wire::Problem,
    server::{self, HttpFlavor, Transport, Written},
};

/// The keys that name a server's address: ours, Gemini's and Windsurf's.
const URL_KEYS: [&str; 3] = ["url", "httpUrl", "serverUrl"];

/// What `transport` or `type` asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Whatever the other keys say.
    Any,
    Stdio,
    Http(HttpFlavor),
}

/// Reads how the server is reached. Keys of the other way are ignored once `transport` decides.
pub(super) fn read(fields: &Fields<'_>) -> Result<Transport, Box<Problem>> {
    let wanted = wanted(fields)?;
    let has_command = fields.get("command").is_some();
    match (wanted, has_command, url_key(fields)) {
        (Wanted::Any, true, Some(key)) => Err(fields.problem(
            fields.place(key),
            Some(key),
            format!("Both `command` and `{key}` are given, so it is not clear how to reach it."),
            "Remove one of them, or say with `transport` which is meant: `stdio` or `http`.",
        )),
        (Wanted::Any | Wanted::Stdio, true, _) => stdio(fields),
        (Wanted::Any, false, Some(key)) => http(fields, key, HttpFlavor::Auto),
        (Wanted::Http(flavor), _, Some(key)) => http(fields, key, flavor),
        (Wanted::Any, false, None) => Err(fields.problem(
            fields.object.range,
            None,
            "Neither `command` nor `url` is given.",
            "Add `command` for a program, or `url` for an address.",
        )),
        (Wanted::Stdio, false, _) => Err(fields.problem(
            fields.object.range,
            Some("command"),
            "The transport is `stdio`, but no `command` is given.",
            "Add `command`, or change `transport`.",
        )),
        (Wanted::Http(_), _, None) => Err(fields.problem(
            fields.object.range,
            Some("url"),
            "The transport is over HTTP, but no `url` is given.",
            "Add `url`, or change `transport`.",
        )),
    }
}

/// The texts of an entry that can be used that refer to the environment.
pub(super) fn written(fields: &Fields<'_>, transport: &Transport) -> Written {
    let refers = |value: &Value<'_>| {
        let text = value.as_string_lit()?.value.as_ref();
        reference::is_in(text).then(|| text.to_owned())
    };
    let of = |key: &str| fields.get(key).and_then(refers);
    match transport {
        Transport::Stdio { .. } => {
            let args = fields.get("args").and_then(Value::as_array);
            let args = args.into_iter().flat_map(|list| list.elements.iter());
            Written {
                command: of("command"),
                args: args
                    .enumerate()
                    .filter_map(|(place, arg)| Some((place, refers(arg)?)))
                    .collect(),
                cwd: of("cwd"),
                url: None,
            }
        }
        Transport::Http { .. } => Written {
            url: url_key(fields).and_then(of),
            ..Written::default()
        },
    }
}

fn url_key(fields: &Fields<'_>) -> Option<&'static str> {
    URL_KEYS.into_iter().find(|key| fields.get(key).is_some())
}

fn wanted(fields: &Fields<'_>) -> Result<Wanted, Box<Problem>> {
    let transport = one_wanted(fields, "transport")?;
    let kind = one_wanted(fields, "type")?;
    match (transport, kind) {
        (Some((one, _)), Some((other, range)))
            if one != other && one != Wanted::Any && other != Wanted::Any =>
        {
            Err(fields.problem(
                range,
                Some("type"),
                "`type` and `transport` name different transports.",
                "Remove one of them.",
            ))
        }
        (Some((Wanted::Any, _)) | None, Some((wanted, _))) | (Some((wanted, _)), _) => Ok(wanted),
        (None, None) => Ok(Wanted::Any),
    }
}

fn one_wanted(fields: &Fields<'_>, key: &str) -> Result<Option<(Wanted, Range)>, Box<Problem>> {
    let Some(Text { text, range }) = fields.text(key)? else {
        return Ok(None);
    };
    let wanted = match text.to_ascii_lowercase().as_str() {
        "auto" => Wanted::Any,
        "stdio" | "local" => Wanted::Stdio,
        "http" | "streamable-http" | "streamablehttp" | "streamable_http" => {
            Wanted::Http(HttpFlavor::Streamable)
        }
        "remote" => Wanted::Http(HttpFlavor::Auto),
        "sse" => Wanted::Http(HttpFlavor::Sse),
        _ => {
            return Err(fields.problem(
                range,
                Some(key),
                format!("`{key}` is `{text}`, which is no transport."),
                "Write `auto`, `stdio`, `http` or `sse`, or leave it out.",
            ));
        }
    };
    Ok(Some((wanted, range)))
}

fn stdio(fields: &Fields<'_>) -> Result<Transport, Box<Problem>> {
    Ok(Transport::Stdio {
        command: command(fields)?,
        args: fields.list("args")?,
        cwd: cwd(fields)?,
        env: fields.pairs("env", |pair| variable(fields, &pair))?,
    })
}

fn command(fields: &Fields<'_>) -> Result<String, Box<Problem>> {
    let Some(written) = fields.text("command")? else {
        return Ok(String::new());
    };
    let command = fields.resolved("command", written)?;
    if command.trim().is_empty() {
        return Err(fields.problem(
            written.range,
            Some("command"),
            "`command` is empty.",
            "Write the program to start, such as `npx`.",
        ));
    }
    Ok(command)
}

/// `~/` is the person's home folder; a relative folder is relative to the file's.
fn cwd(fields: &Fields<'_>) -> Result<Option<PathBuf>, Box<Problem>> {
    let Some(written) = fields.text("cwd")? else {
        return Ok(None);
    };
    let cwd = fields.resolved("cwd", written)?;
    if cwd.is_empty() {
        return Err(fields.problem(
            written.range,
            Some("cwd"),
            "`cwd` is empty.",
            "Write a folder, or leave it out for your home folder.",
        ));
    }
    let Some(after) = cwd.strip_prefix('~') else {
        let folder = fields.page.file.parent().unwrap_or_else(|| Path::new("."));
        return Ok(Some(folder.join(cwd)));
    };
    let within = after.trim_start_matches(std::path::is_separator);
    if !after.is_empty() && within.len() == after.len() {
        return Err(fields.problem(
            written.range,
            Some("cwd"),
            "`cwd` names the home folder of another person, which is not looked up.",
            "Write the whole path, or `~/` for your own home folder.",
        ));
    }
    let home = home_folder(fields.env).ok_or_else(|| {
        fields.problem(
            written.range,
            Some("cwd"),
            "`cwd` starts in your home folder, and the system does not say where that is.",
            "Write the whole path.",
        )
    })?;
    Ok(Some(if within.is_empty() {
        home
    } else {
        home.join(within)
    }))
}

fn home_folder(env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let variable = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    env(variable)
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| BaseDirs::new().map(|dirs| dirs.home_dir().to_owned()))
}

fn variable(fields: &Fields<'_>, pair: &Pair<'_>) -> Result<(), Box<Problem>> {
    if pair.name.text.is_empty() || pair.name.text.contains(['=', '\0']) {
        return Err(fields.problem(
            pair.name.range,
            Some(pair.field),
            "This cannot be the name of a variable of the environment.",
            "Write a name that is not empty and holds neither `=` nor a NUL character.",
        ));
    }
    Ok(())
}

fn http(fields: &Fields<'_>, key: &str, flavor: HttpFlavor) -> Result<Transport, Box<Problem>> {
    let url = url(fields, key)?;
    for other in URL_KEYS {
        if other != key && fields.get(other).is_some() && self::url(fields, other)? != url {
            return Err(fields.problem(
                fields.place(other),
                Some(other),
                format!("`{key}` and `{other}` name different addresses."),
                "Remove one of them.",
            ));
        }
    }
    Ok(Transport::Http {
        url,
        headers: headers(fields)?,
        flavor,
    })
}

/// Messages about an address never repeat it resolved: a reference may hold a key.
fn url(fields: &Fields<'_>, key: &str) -> Result<Url, Box<Problem>> {
    let Some(written) = fields.text(key)? else {
        return Err(fields.problem(
            fields.object.range,
            Some(key),
            format!("`{key}` is not given."),
            format!("Add `{key}`."),
        ));
    };
    let problem =
        |message: String, remedy: &str| fields.problem(written.range, Some(key), message, remedy);
    let url = Url::parse(fields.resolved(key, written)?.trim()).map_err(|error| {
        problem(
            format!("`{key}` is no address: {error}."),
            "Write the whole address, such as `https://example.com/mcp`.",
        )
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(problem(
            format!("`{key}` is no address over HTTP."),
            "Write an address that starts with `https://` or `http://`.",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(problem(
            format!("`{key}` holds a name or a password, which would be readable to people."),
            "Put the credential in `headers`, such as `\"Authorization\": \"Basic ${env:NAME}\"`.",
        ));
    }
    Ok(url)
}

fn headers(fields: &Fields<'_>) -> Result<BTreeMap<String, server::Value>, Box<Problem>> {
    let headers = fields.pairs("headers", |pair| header(fields, &pair))?;
    let mut seen = BTreeMap::new();
    for name in headers.keys() {
        if let Some(first) = seen.insert(name.to_ascii_lowercase(), name) {
            return Err(fields.problem(
                fields.place("headers"),
                Some(&format!("headers.{name}")),
                format!("`{first}` and `{name}` are the same header."),
                "Keep the one that is meant and remove the other.",
            ));
        }
    }
    Ok(headers)
}

fn header(fields: &Fields<'_>, pair: &Pair<'_>) -> Result<(), Box<Problem>> {
    if HeaderName::from_bytes(pair.name.text.as_bytes()).is_err() {
        return Err(fields.problem(
            pair.name.range,
            Some(pair.field),
            "This cannot be the name of a header.",
            "Use letters, digits and hyphens, without a colon or spaces.",
        ));
    }
    if HeaderValue::from_str(pair.value.text).is_err() {
        return Err(fields.problem(
            pair.value.range,
            Some(pair.field),
            format!(
                "The value of `{}` holds a character that no header can carry.",
                pair.field
            ),
            "Remove line breaks and control characters; look at the variable's value if it refers to \
             one.",
        ));
    }
    Ok(())
}
