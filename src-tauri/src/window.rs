//! The one window: made when it is first wanted, gone when it is closed, so that its web process
//! costs nothing while nobody looks.

use narthex_core::api::wire::Theme;
use tauri::{
    AppHandle, Emitter as _, Manager as _, WebviewUrl, WebviewWindow, WebviewWindowBuilder,
    window::Color,
};

use crate::place::Place;

/// The window's label; capabilities name it.
pub(crate) const LABEL: &str = "main";

/// Limestone and its dark twin, painted until the page is.
const LIGHT: Color = Color(0xf7, 0xf5, 0xf1, 0xff);
const DARK: Color = Color(0x19, 0x1a, 0x1d, 0xff);

/// How a new window is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Making {
    /// Light or dark.
    pub(crate) theme: Theme,
    /// Told when the window's web process has died, before the window goes.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "WebKitGTK alone tells of it so far")
    )]
    pub(crate) crashed: fn(&AppHandle),
}

/// Shows a place: in the window that is there, or in a new one.
pub(crate) fn open(app: &AppHandle, place: &Place, making: Making) {
    let shown = match app.get_webview_window(LABEL) {
        Some(window) => show(&window, place),
        None => create(app, place, making),
    };
    if let Err(error) = shown {
        tracing::error!(%error, "window not shown");
    }
}

/// Whether there is a window.
pub(crate) fn is_open(app: &AppHandle) -> bool {
    app.get_webview_window(LABEL).is_some()
}

/// Takes the window away.
pub(crate) fn close(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(LABEL)
        && let Err(error) = window.destroy()
    {
        tracing::debug!(%error, "window not closed");
    }
}

/// Whether a person looks at the window.
pub(crate) fn has_focus(app: &AppHandle) -> bool {
    let window = app.get_webview_window(LABEL);
    window.is_some_and(|window| window.is_focused().unwrap_or(false))
}

/// Tells the page of something, where there is one.
pub(crate) fn tell(app: &AppHandle, event: &str, what: impl serde::Serialize + Clone) {
    if app.get_webview_window(LABEL).is_some()
        && let Err(error) = app.emit_to(LABEL, event, what)
    {
        tracing::debug!(%error, event, "page not told");
    }
}

/// Takes the theme that a person chose.
pub(crate) fn dress(app: &AppHandle, theme: Theme) {
    if let Some(window) = app.get_webview_window(LABEL)
        && let Err(error) = window.set_theme(of_system(theme))
    {
        tracing::debug!(%error, "theme not set");
    }
}

fn show(window: &WebviewWindow, place: &Place) -> tauri::Result<()> {
    window.emit_to(LABEL, "go", place.to_string())?;
    window.unminimize()?;
    window.show()?;
    window.set_focus()
}

fn create(app: &AppHandle, place: &Place, making: Making) -> tauri::Result<()> {
    let theme = making.theme;
    let address = format!("index.html{place}");
    let ground = match theme {
        Theme::Dark => DARK,
        Theme::Light | Theme::System => LIGHT,
    };
    let window = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App(address.into()))
        .title("Narthex")
        .inner_size(900.0, 600.0)
        .min_inner_size(640.0, 480.0)
        .center()
        .theme(of_system(theme))
        .background_color(ground)
        // Links lead to a browser, never elsewhere in this window.
        .on_navigation(|url| url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost"))
        .build()?;
    #[cfg(target_os = "linux")]
    on_crash(&window, making.crashed)?;
    window.set_focus()
}

const fn of_system(theme: Theme) -> Option<tauri::Theme> {
    match theme {
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    }
}

/// Closes the window when its web process dies: an empty one cannot be mended, a new one can be
/// opened. The core is not concerned.
#[cfg(target_os = "linux")]
fn on_crash(window: &WebviewWindow, told: fn(&AppHandle)) -> tauri::Result<()> {
    use webkit2gtk::WebViewExt as _;

    let crashed = window.clone();
    window.with_webview(move |webview| {
        webview
            .inner()
            .connect_web_process_terminated(move |_, reason| {
                tracing::error!(?reason, "web process ended");
                let crashed = crashed.clone();
                // Later: the view that says so must not be gone before it has said it.
                tauri::async_runtime::spawn(async move {
                    told(crashed.app_handle());
                    if let Err(error) = crashed.destroy() {
                        tracing::error!(%error, "crashed window not closed");
                    }
                });
            });
    })
}
