use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::server::{HttpFlavor, Spec, Transport};

/// Names exactly what would run: a keyed hash over transport, command, arguments, working folder
/// and environment, or over address and headers.
///
/// Command, arguments, folder and address count with their references resolved. Values of
/// variables and headers count as they stand in the file: `${env:TOKEN}` is what a person
/// approved, and a token that was rotated asks nobody again.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaunchId(Arc<str>);

/// The key of this machine's launch ids. Without it, a hash of a short secret could be guessed.
#[derive(Clone)]
pub struct LaunchKey(Hmac<Sha256>);

impl LaunchKey {
    /// Uses `key`, which is random and stays in `trust.db`.
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of every length"))
    }

    /// Returns the id of what `spec` would run.
    pub fn id_of(&self, spec: &Spec) -> LaunchId {
        let mut hash = Fields(self.0.clone());
        match &spec.transport {
            Transport::Stdio {
                command,
                args,
                cwd,
                env,
            } => {
                hash.field("stdio");
                hash.field(command);
                hash.count(args.len());
                args.iter().for_each(|arg| hash.field(arg));
                hash.field(
                    &cwd.as_ref()
                        .map(|cwd| cwd.display().to_string())
                        .unwrap_or_default(),
                );
                hash.count(env.len());
                for (name, value) in env {
                    hash.field(name);
                    hash.field(value.written.expose());
                }
            }
            Transport::Http {
                url,
                headers,
                flavor,
            } => {
                hash.field(match flavor {
                    HttpFlavor::Auto | HttpFlavor::Streamable => "http",
                    HttpFlavor::Sse => "sse",
                });
                hash.field(url.as_str());
                hash.count(headers.len());
                for (name, value) in headers {
                    hash.field(&name.to_ascii_lowercase());
                    hash.field(value.written.expose());
                }
            }
        }
        let digest = hash.0.finalize().into_bytes();
        LaunchId(
            digest[..16]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                .into(),
        )
    }
}

impl fmt::Debug for LaunchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LaunchKey")
    }
}

/// Feeds fields so that no two lists of fields feed the same bytes.
struct Fields(Hmac<Sha256>);

impl Fields {
    fn field(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text.as_bytes());
    }

    fn count(&mut self, count: usize) {
        self.0.update(&(count as u64).to_le_bytes());
    }
}

impl LaunchId {
    /// Takes an id as it came over a wire or out of the store.
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LaunchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LaunchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::server::{Secret, Value};

    fn spec(args: &[&str], env: &[(&str, &str, &str)]) -> Spec {
        let value = |written: &str, resolved: &str| Value {
            written: Secret::new(written),
            resolved: Secret::new(resolved),
        };
        let env: BTreeMap<_, _> = env
            .iter()
            .map(|(name, written, resolved)| ((*name).to_owned(), value(written, resolved)))
            .collect();
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Spec::new(Transport::Stdio {
            command: "npx".to_owned(),
            args,
            cwd: None,
            env,
        })
    }

    #[test]
    fn every_part_of_what_runs_counts() {
        let key = LaunchKey::new(b"k");
        let id = |spec: &Spec| key.id_of(spec);
        let plain = spec(&["-y", "a"], &[("T", "${env:X}", "1")]);
        assert_eq!(
            id(&plain),
            id(&spec(&["-y", "a"], &[("T", "${env:X}", "2")])),
            "a rotated secret"
        );
        assert_ne!(id(&plain), id(&spec(&["-y a"], &[("T", "${env:X}", "1")])));
        assert_ne!(id(&plain), id(&spec(&["-y", "a"], &[("T", "plain", "1")])));
        assert_ne!(id(&plain), id(&spec(&["-y", "a"], &[])));
        assert_ne!(id(&plain), LaunchKey::new(b"other").id_of(&plain));
    }

    #[test]
    fn what_does_not_run_does_not_count() {
        let key = LaunchKey::new(b"k");
        let plain = spec(&[], &[]);
        let mut patient = plain.clone();
        patient.call_timeout *= 2;
        assert_eq!(key.id_of(&plain), key.id_of(&patient));
    }
}
