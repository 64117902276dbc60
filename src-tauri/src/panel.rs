//! The colour of the panel that the icon stands in, as far as a desktop tells it.

use tokio::sync::watch;

use crate::tray::Panel;

/// Follows what the panel is; one that says nothing is taken for dark, as most are.
pub(crate) fn follow() -> watch::Receiver<Panel> {
    let (panel, panels) = watch::channel(Panel::Dark);
    #[cfg(target_os = "linux")]
    tokio::spawn(async move {
        if let Err(error) = linux::follow(&panel).await {
            tracing::debug!(%error, "no word of the desktop's colours");
        }
        // The last word holds, whoever said it.
        panel.closed().await;
    });
    #[cfg(not(target_os = "linux"))]
    tokio::spawn(async move { panel.closed().await });
    panels
}

#[cfg(target_os = "linux")]
mod linux {
    use futures_util::StreamExt as _;
    use tokio::sync::watch;
    use zbus::{Connection, Proxy, zvariant::OwnedValue};

    use crate::tray::Panel;

    /// Panels of these are dark whatever the windows are.
    const ALWAYS_DARK: [&str; 2] = ["GNOME", "Unity"];

    /// What is asked, and how its word is to be read.
    struct Source {
        service: &'static str,
        path: &'static str,
        interface: &'static str,
        read: &'static str,
        changed: &'static str,
        setting: (&'static str, &'static str),
        understand: fn(&OwnedValue) -> Option<Panel>,
    }

    /// What all desktops tell of their windows, and most panels follow.
    const PORTAL: Source = Source {
        service: "org.freedesktop.portal.Desktop",
        path: "/org/freedesktop/portal/desktop",
        interface: "org.freedesktop.portal.Settings",
        read: "ReadOne",
        changed: "SettingChanged",
        setting: ("org.freedesktop.appearance", "color-scheme"),
        understand: |scheme| match u32::try_from(scheme) {
            Ok(1) => Some(Panel::Dark),
            Ok(2) => Some(Panel::Light),
            // No preference.
            Ok(_) | Err(_) => None,
        },
    };

    /// The panel of Xfce has a setting of its own.
    const XFCE: Source = Source {
        service: "org.xfce.Xfconf",
        path: "/org/xfce/Xfconf",
        interface: "org.xfce.Xfconf",
        read: "GetProperty",
        changed: "PropertyChanged",
        setting: ("xfce4-panel", "/panels/dark-mode"),
        understand: |is_dark| match bool::try_from(is_dark) {
            Ok(true) => Some(Panel::Dark),
            Ok(false) => Some(Panel::Light),
            Err(_) => None,
        },
    };

    /// Takes the desktop's word, and every later one.
    pub(super) async fn follow(panel: &watch::Sender<Panel>) -> zbus::Result<()> {
        let desktop = std::env::var("XDG_CURRENT_DESKTOP").unwrap_or_default();
        let is_any_of = |names: &[&str]| desktop.split(':').any(|part| names.contains(&part));
        if is_any_of(&ALWAYS_DARK) {
            return Ok(());
        }
        let source = if is_any_of(&["XFCE"]) { XFCE } else { PORTAL };
        source.follow(panel).await
    }

    impl Source {
        async fn follow(&self, panel: &watch::Sender<Panel>) -> zbus::Result<()> {
            let connection = Connection::session().await?;
            let settings = Proxy::new(&connection, self.service, self.path, self.interface).await?;
            let mut changes = settings.receive_signal(self.changed).await?;
            self.take(panel, &settings.call(self.read, &self.setting).await?);
            while let Some(change) = changes.next().await {
                let body = change.body();
                if let Ok((group, key, value)) = body.deserialize::<(&str, &str, OwnedValue)>()
                    && (group, key) == self.setting
                {
                    self.take(panel, &value);
                }
            }
            Ok(())
        }

        fn take(&self, panel: &watch::Sender<Panel>, word: &OwnedValue) {
            if let Some(next) = (self.understand)(word) {
                panel.send_if_modified(|now| std::mem::replace(now, next) != next);
            }
        }
    }
}
