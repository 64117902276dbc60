//! Prints the wire types in TypeScript, for `npm run generate`.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    let bindings = narthex_core::api::bindings();
    io::stdout().lock().write_all(bindings.as_bytes())
}
