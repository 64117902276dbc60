//! Black-box tests of the `narthex` binary. `INTERFACE.md` is their oracle: they start the real
//! program in a folder of its own, with real servers in processes of their own, and look at it from
//! outside only.
//!
//! What takes a word that the interface leaves open names it in [`words`].

// Processes are counted in `/proc`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod bad_clients;
mod bad_servers;
mod batches;
mod beside;
mod bridge;
mod broken_off;
mod cancel;
mod clients;
mod config_edits;
mod credentials;
mod duplex;
mod expiry;
mod first_light;
mod held;
mod limits;
mod login;
mod long;
mod lossless;
mod network;
mod offers;
mod older;
mod per_client;
mod quiet;
mod remote;
mod restart;
mod resume;
mod schedules;
mod settings;
mod storm;
mod trust;
mod wishes;
mod words;
