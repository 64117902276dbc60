//! The folder that a core holds: its files, its lock and its credentials.
