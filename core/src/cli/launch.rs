use std::io::{self, Write};

use super::text;
use crate::api::wire::Launch;

/// Prints what would run, values masked, one fact a line: an argument with spaces in it must not
/// look like two.
pub(super) fn print(output: &mut impl Write, launch: &Launch) -> io::Result<()> {
    let mut fact = |what: &str, value: &str| {
        writeln!(
            output,
            "  {what:<9} {}",
            text::revealed(value).replace('\n', "\\n")
        )
    };
    if let Some(command) = &launch.command {
        fact("command", command)?;
    }
    for argument in &launch.args {
        fact("argument", argument)?;
    }
    if let Some(folder) = &launch.cwd {
        fact("folder", folder)?;
    }
    if let Some(url) = &launch.url {
        fact("address", url)?;
    }
    for (name, value) in &launch.env {
        fact("variable", &format!("{name}={value}"))?;
    }
    for (name, value) in &launch.headers {
        fact("header", &format!("{name}: {value}"))?;
    }
    Ok(())
}
