//! The command line `narthex`.
