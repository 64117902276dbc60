use std::sync::LazyLock;

use narthex_core::{
    api::wire::{Action, Condition, Server},
    client::Present,
};
use tauri::image::Image;

/// What the icon says of all servers. When several hold, the first of: paused, failed, waiting,
/// working.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Overall {
    /// Nobody is wanted: the open, empty arch.
    Well,
    /// A server is on its way up.
    Working,
    /// A server waits for a person.
    Waiting,
    /// A server that is wanted was given up.
    Failed,
    /// All servers are paused.
    Paused,
}

impl Overall {
    /// Returns what holds.
    pub(crate) fn of(now: &Present) -> Self {
        if now.paused {
            return Self::Paused;
        }
        if !now.reachable {
            return Self::Failed;
        }
        let servers = || now.servers.values();
        if servers().any(|server| server.condition == Condition::Failed) {
            Self::Failed
        } else if servers().any(|server| waits(server)) {
            Self::Waiting
        } else if servers().any(|server| is_on_its_way(server)) {
            Self::Working
        } else {
            Self::Well
        }
    }

    /// Returns the same where what has only just begun is not shown yet.
    pub(crate) const fn without_working(self) -> Self {
        match self {
            Self::Working => Self::Well,
            Self::Well | Self::Waiting | Self::Failed | Self::Paused => self,
        }
    }
}

fn waits(server: &Server) -> bool {
    server.condition == Condition::NotValid
        || matches!(
            server.action,
            Some(Action::Approve | Action::Review | Action::SignIn)
        )
}

const fn is_on_its_way(server: &Server) -> bool {
    matches!(
        server.condition,
        Condition::Connecting | Condition::Retrying
    )
}

/// The panel that an icon stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Panel {
    /// It wants light ink.
    Dark,
    /// It wants dark ink.
    Light,
}

/// An icon: what it says, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Icon {
    pub(crate) overall: Overall,
    pub(crate) panel: Panel,
}

/// An image as a StatusNotifier host takes it: width, height, and ARGB in network byte order.
#[cfg(target_os = "linux")]
pub(crate) type Pixmap = (i32, i32, Vec<u8>);

/// The rendered icons of one state for one panel, in the sizes that hosts choose from.
struct Rendered {
    icon: Icon,
    images: Vec<Image<'static>>,
}

/// Names the files of `icons/tray/png` for a state, in their sizes.
macro_rules! rendered {
    ($overall:ident, $panel:ident, $name:literal: $($size:literal)*) => {
        Rendered {
            icon: Icon {
                overall: Overall::$overall,
                panel: Panel::$panel,
            },
            images: vec![$(image(include_bytes!(concat!(
                "../../../icons/tray/png/", $name, "-", $size, ".png"
            )))),*],
        }
    };
}

#[cfg(not(target_os = "macos"))]
macro_rules! states {
    ($($overall:ident $name:literal),*) => {
        vec![$(
            rendered!($overall, Dark, $name: "on-dark-16" "on-dark-22" "on-dark-24" "on-dark-32" "on-dark-48"),
            rendered!($overall, Light, $name: "on-light-16" "on-light-22" "on-light-24" "on-light-32" "on-light-48"),
        )*]
    };
}

/// The menu bar of macOS colours icons of one colour by itself.
#[cfg(target_os = "macos")]
macro_rules! states {
    ($($overall:ident $name:literal),*) => {
        vec![$(
            rendered!($overall, Dark, $name: "template-18@2x"),
            rendered!($overall, Light, $name: "template-18@2x"),
        )*]
    };
}

static ICONS: LazyLock<Vec<Rendered>> = LazyLock::new(|| {
    states![
        Well "well", Working "working", Waiting "waiting", Failed "failed", Paused "paused"
    ]
});

fn image(png: &'static [u8]) -> Image<'static> {
    Image::from_bytes(png).expect("the icons in the repository are images")
}

impl Icon {
    /// Returns the images, smallest first.
    pub(crate) fn images(self) -> &'static [Image<'static>] {
        let found = ICONS.iter().find(|rendered| rendered.icon == self);
        found.map_or(&[], |rendered| &rendered.images)
    }

    /// Returns the images as a StatusNotifier host takes them.
    #[cfg(target_os = "linux")]
    pub(crate) fn pixmaps(self) -> Vec<Pixmap> {
        let pixmap = |image: &Image<'_>| {
            let argb = image.rgba().chunks_exact(4);
            let argb = argb.flat_map(|pixel| [pixel[3], pixel[0], pixel[1], pixel[2]]);
            // An icon's side is some tens of pixels.
            let side = |pixels: u32| i32::try_from(pixels).unwrap_or_default();
            (side(image.width()), side(image.height()), argb.collect())
        };
        self.images().iter().map(pixmap).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{present, server};

    #[test]
    fn the_most_urgent_holds() {
        let of = |conditions: &[(Condition, Option<Action>)]| {
            let servers = conditions
                .iter()
                .enumerate()
                .map(|(number, (condition, action))| {
                    server(&number.to_string(), *condition, *action)
                });
            Overall::of(&present(servers))
        };
        let well = (Condition::Connected, None);
        let working = (Condition::Connecting, None);
        let waiting = (Condition::InQuarantine, Some(Action::Approve));
        let failed = (Condition::Failed, Some(Action::TryAgain));
        assert_eq!(of(&[]), Overall::Well);
        assert_eq!(
            of(&[well, (Condition::Disconnected, Some(Action::Connect))]),
            Overall::Well
        );
        assert_eq!(of(&[well, working]), Overall::Working);
        assert_eq!(of(&[working, waiting]), Overall::Waiting);
        assert_eq!(of(&[failed, waiting, working]), Overall::Failed);
        let held = (Condition::Connected, Some(Action::Review));
        assert_eq!(of(&[held]), Overall::Waiting);
    }

    #[test]
    fn a_pause_is_what_one_sees() {
        let mut now = present([server("a", Condition::Paused, Some(Action::Resume))]);
        now.paused = true;
        assert_eq!(Overall::of(&now), Overall::Paused);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_icon_is_there_and_no_two_are_the_same() {
        let all = [
            Overall::Well,
            Overall::Working,
            Overall::Waiting,
            Overall::Failed,
            Overall::Paused,
        ];
        let mut seen = Vec::new();
        for overall in all {
            for panel in [Panel::Dark, Panel::Light] {
                let pixmaps = Icon { overall, panel }.pixmaps();
                assert!(!pixmaps.is_empty(), "{overall:?} {panel:?}");
                for (width, height, argb) in &pixmaps {
                    let pixels = usize::try_from(width * height).unwrap();
                    assert_eq!(argb.len(), pixels * 4);
                }
                seen.push(pixmaps);
            }
        }
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), all);
    }
}
