//! Child processes: found, started under `narthex-guard`, and ended with all they started.
