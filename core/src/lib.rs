//! Narthex stands between AI clients and MCP servers: it runs every server once, behind one
//! address, supervised, watched live, and in quarantine until a person lets it in.
//!
//! This crate is everything that works without a window. It knows neither Tauri nor GTK nor a
//! display. The modules stand in the order in which data meets them.

pub mod home;
pub mod log;
pub mod runtime;

pub mod config;
pub mod desired;
pub mod process;
pub mod server;
pub mod settings;

pub mod mcp;
pub mod upstream;

pub mod catalog;
pub mod supervisor;
pub mod trust;
pub mod view;

pub mod gateway;

pub mod api;
pub mod client;
pub mod metrics;

pub mod app;
pub mod cli;
pub mod demo;
