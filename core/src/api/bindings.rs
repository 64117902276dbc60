use std::collections::BTreeMap;

use ts_rs::{Config, TS, TypeVisitor};

use super::wire;

/// Returns the wire types in TypeScript, in alphabetical order, each once.
///
/// Whole numbers of 64 bits are `number`: revisions and counts stay below 2^53, and JSON's numbers
/// are doubles where the web UI reads them.
pub fn bindings() -> String {
    let mut all = Declarations {
        config: Config::new().with_large_int("number"),
        found: BTreeMap::new(),
    };
    // What is answered, told and sent; the rest is what these are made of.
    all.visit::<wire::Accepted>();
    all.visit::<wire::Approved>();
    all.visit::<wire::ClientList>();
    all.visit::<wire::ClientToken>();
    all.visit::<wire::Command>();
    all.visit::<wire::CommandFailure>();
    all.visit::<wire::Confirmation>();
    all.visit::<wire::Event>();
    all.visit::<wire::LogEvent>();
    all.visit::<wire::LogLevel>();
    all.visit::<wire::LogLines>();
    all.visit::<wire::NewClient>();
    all.visit::<wire::NewServer>();
    all.visit::<wire::OneServer>();
    all.visit::<wire::Preferences>();
    all.visit::<wire::PreferencesPatch>();
    all.visit::<wire::ProblemDetails>();
    all.visit::<wire::RemovedServer>();
    all.visit::<wire::ServerList>();
    all.visit::<wire::Settings>();
    all.visit::<wire::SettingsPatch>();
    all.visit::<wire::Shell>();
    all.visit::<wire::Status>();
    all.visit::<wire::ToolList>();
    all.visit::<wire::Written>();
    let head =
        "// The types that cross a wire, as the core has them. Written by `npm run generate`.\n";
    let mut text = head.to_owned();
    for declaration in all.found.values() {
        text.push('\n');
        text.push_str(declaration);
    }
    text
}

/// The declarations found so far, by name.
struct Declarations {
    config: Config,
    found: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // What is built in has no file, and no declaration.
        if T::output_path().is_none() {
            return;
        }
        let name = T::ident(&self.config);
        if self.found.contains_key(&name) {
            return;
        }
        let docs = T::docs().unwrap_or_default();
        let declaration = format!("{docs}export {}", T::decl(&self.config));
        self.found.insert(name, tidy(&declaration));
        T::visit_dependencies(self);
    }
}

/// Puts comments of one line on one line, and takes away white space at the ends.
fn tidy(declaration: &str) -> String {
    let mut tidy = String::new();
    for line in declaration.lines().map(str::trim_end) {
        match (line.strip_prefix(" * "), line) {
            (Some(comment), _) if tidy.ends_with("/**\n") => {
                tidy.truncate(tidy.len() - 1);
                tidy.push(' ');
                tidy.push_str(comment);
            }
            (None, " */") if !tidy.ends_with('\n') => tidy.push_str(" */\n"),
            _ => {
                if !tidy.is_empty() && !tidy.ends_with('\n') {
                    tidy.push('\n');
                }
                tidy.push_str(line);
                tidy.push('\n');
            }
        }
    }
    tidy
}
