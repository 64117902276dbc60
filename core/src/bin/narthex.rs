//! The command line of Narthex; see `narthex_core::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    narthex_core::cli::main()
}
