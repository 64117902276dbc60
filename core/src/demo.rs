//! The demo server, `narthex demo`: a small MCP server on standard input and output, there to try
//! Narthex without installing anything, misbehaving on request.
//!
//! It is synchronous and knows nothing of the rest of the crate, so that it starts in a few
//! milliseconds and shows what a server written by somebody else looks like from outside.

mod protocol;
mod session;
mod tools;
mod waiting;

use std::{
    io::{self, BufRead},
    process::ExitCode,
};

use session::Session;

/// What the demo server calls itself.
pub const NAME: &str = "narthex-demo";

/// Serves standard input until it ends.
pub fn run() -> ExitCode {
    let session = Session::new(io::stdout());
    match serve(&session, io::stdin().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // The client is gone: nobody is left to tell.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Handles one line after the other. What waits does so on a thread of its own, so a line is never
/// held up by the one before it.
fn serve(session: &Session, mut input: impl BufRead) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        session.receive(&line)?;
    }
}
