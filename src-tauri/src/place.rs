use std::{fmt, str::FromStr};

/// A place in the window. Its text is the address that the web UI knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Servers,
    Server { name: String, tab: Tab },
    AddServer,
    Clients,
    Settings,
}

/// A page of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Overview,
    Logs,
    Review,
}

impl Place {
    pub(crate) fn server(name: &str, tab: Tab) -> Self {
        let name = name.to_owned();
        Self::Server { name, tab }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Servers => f.write_str("#/servers"),
            Self::Server { name, tab } => {
                let name = percent_encoding::utf8_percent_encode(name, COMPONENT);
                write!(f, "#/servers/{name}{}", tab.suffix())
            }
            Self::AddServer => f.write_str("#/add"),
            Self::Clients => f.write_str("#/clients"),
            Self::Settings => f.write_str("#/settings"),
        }
    }
}

/// An address that names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this address names no place")]
pub(crate) struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(address: &str) -> Result<Self, NoPlace> {
        let mut parts = address.strip_prefix("#/").ok_or(NoPlace)?.split('/');
        let place = match (parts.next(), parts.next(), parts.next()) {
            (Some("servers"), None, None) => Self::Servers,
            (Some("servers"), Some(name), tab) => {
                let name = percent_encoding::percent_decode_str(name).decode_utf8();
                let tab = match tab {
                    None => Tab::Overview,
                    Some("logs") => Tab::Logs,
                    Some("review") => Tab::Review,
                    Some(_) => return Err(NoPlace),
                };
                Self::server(&name.map_err(|_| NoPlace)?, tab)
            }
            (Some("add"), None, None) => Self::AddServer,
            (Some("clients"), None, None) => Self::Clients,
            (Some("settings"), None, None) => Self::Settings,
            _ => return Err(NoPlace),
        };
        Ok(place)
    }
}

impl Tab {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Logs => "/logs",
            Self::Review => "/review",
        }
    }
}

/// What `encodeURIComponent` of the web UI encodes.
const COMPONENT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_by_its_address() {
        let places = [
            Place::Servers,
            Place::server("a/b ü", Tab::Overview),
            Place::server("a", Tab::Review),
            Place::AddServer,
            Place::Clients,
            Place::Settings,
        ];
        for place in places {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for none in [
            "",
            "#/",
            "https://example.org",
            "#/servers/a/b",
            "#/settings/x",
        ] {
            assert_eq!(none.parse::<Place>(), Err(NoPlace), "{none}");
        }
    }

    #[test]
    fn a_name_is_one_part_of_the_address() {
        let place = Place::server("a/b ü%?#", Tab::Logs);
        assert_eq!(place.to_string(), "#/servers/a%2Fb%20%C3%BC%25%3F%23/logs");
    }
}
