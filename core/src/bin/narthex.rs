//! CLI.
fn main() -> std::process::ExitCode {
    narthex_core::demo::run()
}
