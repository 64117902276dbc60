//! `narthex.json`: what a person configured, read, watched and edited with care.
