//! Embeds the web UI and what Tauri needs to know of the windows.

fn main() {
    tauri_build::build();
}
