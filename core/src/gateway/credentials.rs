//! Who asks: the person's own tools by the control credential, clients by theirs. The two are
//! different kinds, and neither opens what is the other's.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};

use crate::server::Secret;

/// The name of the client whose token is in `client.token`.
pub const DEFAULT_CLIENT: &str = "default";

/// The name of whoever asks without a credential under `--no-client-auth`.
const ANONYMOUS: &str = "anonymous";

/// What the names of clients begin with that come over a bridge. No client that was added has such a
/// name, so that none can be taken for another.
pub const BRIDGED: &str = "stdio:";

/// The header by which a bridge says whose words it carries.
const BRIDGED_FOR: &str = "narthex-client";

/// The longest name that a bridge may say.
const BRIDGED_BYTES_MAX: usize = 64;

/// Returns what a client of a bridge is called: bridges have the first client's credential, and say
/// for whom they use it. It gives no other rights.
pub(super) fn bridged(name: &str, headers: &HeaderMap) -> Option<Arc<str>> {
    let said = headers.get(BRIDGED_FOR)?.to_str().ok()?;
    let fits = name == DEFAULT_CLIENT && (1..=BRIDGED_BYTES_MAX).contains(&said.len());
    fits.then(|| format!("{BRIDGED}{said}").into())
}

/// The hashes of all credentials. Read on every request without a lock.
#[derive(Debug)]
pub struct Credentials {
    control: [u8; 32],
    clients: ArcSwap<imbl::HashMap<[u8; 32], Arc<str>>>,
    anonymous: Option<Arc<str>>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// The person, through window or command line.
    Control,
    /// A client, by its name.
    Client(Arc<str>),
    /// Nobody that is known.
    Nobody,
}

/// Returns the hash under which a token is known. Tokens have 32 random bytes, so that a plain hash
/// cannot be guessed back.
pub fn token_hash(token: &Secret) -> [u8; 32] {
    Sha256::digest(token.expose()).into()
}

impl Credentials {
    /// Knows the control credential and these clients.
    pub fn new(
        control: &Secret,
        clients: impl Iterator<Item = (String, [u8; 32])>,
        no_client_auth: bool,
    ) -> Self {
        let clients: imbl::HashMap<_, Arc<str>> =
            clients.map(|(name, hash)| (hash, name.into())).collect();
        Self {
            control: token_hash(control),
            clients: ArcSwap::from_pointee(clients),
            anonymous: no_client_auth.then(|| ANONYMOUS.into()),
        }
    }

    /// Knows one more client.
    pub fn add(&self, name: &str, hash: [u8; 32]) {
        let name: Arc<str> = name.into();
        self.clients
            .rcu(|clients| clients.update(hash, Arc::clone(&name)));
    }

    /// Knows a client no longer.
    pub fn remove(&self, name: &str) {
        self.clients.rcu(|clients| {
            let mut left = imbl::HashMap::clone(clients);
            left.retain(|_, client| &**client != name);
            left
        });
    }

    /// Returns who sent these headers.
    pub fn who(&self, headers: &HeaderMap) -> Who {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return self.anonymous.clone().map_or(Who::Nobody, Who::Client);
        };
        let value = value.as_bytes();
        let Some((scheme, token)) = value.split_at_checked(7) else {
            return Who::Nobody;
        };
        if !scheme.eq_ignore_ascii_case(b"Bearer ") {
            return Who::Nobody;
        }
        // Comparing hashes tells nothing about a token by the time it takes.
        let hash: [u8; 32] = Sha256::digest(token.trim_ascii()).into();
        if hash == self.control {
            return Who::Control;
        }
        self.clients
            .load()
            .get(&hash)
            .map_or(Who::Nobody, |name| Who::Client(Arc::clone(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn only_the_first_clients_credential_is_used_for_others() {
        let said = |name: &str, said: &str| {
            let headers = HeaderMap::from_iter([(
                header::HeaderName::from_static(BRIDGED_FOR),
                said.parse().unwrap(),
            )]);
            bridged(name, &headers).map(|name| name.to_string())
        };
        assert_eq!(said(DEFAULT_CLIENT, "a"), Some("stdio:a".into()));
        assert_eq!(said("cursor", "a"), None);
        assert_eq!(said(DEFAULT_CLIENT, ""), None);
        assert_eq!(said(DEFAULT_CLIENT, &"x".repeat(65)), None);
        assert_eq!(bridged(DEFAULT_CLIENT, &HeaderMap::new()), None);
    }

    #[test]
    fn each_kind_is_known_as_what_it_is() {
        let (control, client) = (
            Secret::new("narthex_control_a"),
            Secret::new("narthex_client_b"),
        );
        let known = |open| {
            Credentials::new(
                &control,
                [("c".to_owned(), token_hash(&client))].into_iter(),
                open,
            )
        };
        let credentials = known(false);
        assert_eq!(
            credentials.who(&headers("Bearer narthex_control_a")),
            Who::Control
        );
        assert_eq!(
            credentials.who(&headers("bearer narthex_client_b")),
            Who::Client("c".into())
        );
        for unknown in [
            "Bearer x",
            "Basic narthex_client_b",
            "Bearer",
            "narthex_client_b",
        ] {
            assert_eq!(credentials.who(&headers(unknown)), Who::Nobody, "{unknown}");
        }
        assert_eq!(credentials.who(&HeaderMap::new()), Who::Nobody);
        assert_eq!(
            known(true).who(&HeaderMap::new()),
            Who::Client(ANONYMOUS.into())
        );
        credentials.remove("c");
        assert_eq!(
            credentials.who(&headers("Bearer narthex_client_b")),
            Who::Nobody
        );
    }
}
