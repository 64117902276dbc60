mod edits;
mod problems;
mod properties;
mod settings;
mod specs;
mod watching;

use std::path::Path;

use super::{Reading, read};
use crate::{
    api::wire::Problem,
    server::{ServerName, Spec},
};

/// The file of tests that read no file.
const FILE: &str = "/home/ada/.config/narthex/narthex.json";

fn env(name: &str) -> Option<String> {
    let value = match name {
        "TOKEN" => "s3cret",
        "HOME" | "USERPROFILE" => "/home/ada",
        "ORIGIN" => "https://example.com",
        "LINES" => "one\ntwo",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.to_owned())
}

fn reading(text: &str) -> Reading {
    read::parse(Path::new(FILE), text, &env).unwrap()
}

/// Reads `entry`, written as JSON, under the name `x`.
fn entry(entry: &str) -> Result<Spec, Box<Problem>> {
    let text = format!("{{\"mcpServers\": {{\"x\": {entry}}}}}");
    let spec = reading(&text).entries.remove("x").unwrap();
    spec.map_err(Box::new)
}

fn name(text: &str) -> ServerName {
    ServerName::new(text).unwrap()
}
