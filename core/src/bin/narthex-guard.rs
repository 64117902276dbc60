//! The parent of every server: ends it, and all it started, when the core is gone.

use std::process::ExitCode;

fn main() -> ExitCode {
    narthex_core::process::guard_main()
}
