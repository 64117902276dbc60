use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use crate::mcp::{self, json};

/// What the client has asked for that holds for as long as its session does: a new session is asked
/// for the same.
#[derive(Debug, Default)]
pub(super) struct Standing {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    level: Option<Bytes>,
    followed: BTreeMap<String, Followed>,
    /// What of it could not be asked for again yet.
    missing: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Followed {
    params: Bytes,
    /// The URI as it is spelled.
    uri: Bytes,
}

/// Something to ask a new session for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) method: &'static str,
    pub(super) params: Bytes,
    /// The resource that it is about: as it is called, and as it is spelled.
    pub(super) uri: Option<(String, Bytes)>,
}

impl Standing {
    /// Takes note of a request that was answered with a result.
    pub(super) fn note(&self, request: &mcp::Envelope) {
        let method = request.method();
        let Some(params) = request.payload() else {
            return;
        };
        if method == "logging/setLevel" {
            self.inner().level = Some(params);
            return;
        }
        let Ok(Some(range)) = request.field("uri") else {
            return;
        };
        let spelled = request.bytes().slice(range);
        let Some(uri) = json::decode(&spelled) else {
            return;
        };
        match method {
            "resources/subscribe" => {
                let followed = Followed {
                    params,
                    uri: spelled.clone(),
                };
                self.inner().followed.insert(uri.into_owned(), followed);
            }
            "resources/unsubscribe" => {
                let mut inner = self.inner();
                inner.followed.remove(&*uri);
                inner.missing.remove(&*uri);
            }
            _ => {}
        }
    }

    /// Forgets everything: the client has begun anew.
    pub(super) fn clear(&self) {
        *self.inner() = Inner::default();
    }

    /// Returns what a new session is asked for.
    pub(super) fn wishes(&self) -> Vec<Wish> {
        let inner = self.inner();
        let level = inner.level.clone().map(|params| Wish {
            method: "logging/setLevel",
            params,
            uri: None,
        });
        level
            .into_iter()
            .chain(inner.followed.iter().map(wish))
            .collect()
    }

    /// Returns what could not be asked for until now.
    pub(super) fn missing(&self) -> Vec<Wish> {
        let inner = self.inner();
        let missing = inner.followed.iter();
        let missing = missing.filter(|(uri, _)| inner.missing.contains(*uri));
        missing.map(wish).collect()
    }

    /// Takes note of whether a resource is followed in the new session.
    pub(super) fn came_out(&self, uri: &str, is_followed: bool) {
        let mut inner = self.inner();
        if is_followed || !inner.followed.contains_key(uri) {
            inner.missing.remove(uri);
        } else {
            inner.missing.insert(uri.to_owned());
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wish((uri, followed): (&String, &Followed)) -> Wish {
    Wish {
        method: "resources/subscribe",
        params: followed.params.clone(),
        uri: Some((uri.clone(), followed.uri.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(standing: &Standing, method: &str, params: &str) {
        let text = format!(r#"{{"id":1,"method":"{method}","params":{params}}}"#);
        standing.note(&mcp::Envelope::parse(text.into()).unwrap());
    }

    #[test]
    fn the_last_word_counts() {
        let standing = Standing::default();
        note(&standing, "logging/setLevel", r#"{"level":"debug"}"#);
        note(&standing, "logging/setLevel", r#"{"level":"error"}"#);
        note(&standing, "resources/subscribe", r#"{"uri":"a"}"#);
        note(
            &standing,
            "resources/subscribe",
            r#"{"uri":"\u0062","x":1.0}"#,
        );
        note(&standing, "resources/unsubscribe", r#"{"uri":"a"}"#);
        note(&standing, "tools/list", r#"{"uri":"c"}"#);

        let wishes = standing.wishes();

        let said: Vec<_> = wishes
            .iter()
            .map(|wish| (wish.method, std::str::from_utf8(&wish.params).unwrap()))
            .collect();
        assert_eq!(
            said,
            [
                ("logging/setLevel", r#"{"level":"error"}"#),
                ("resources/subscribe", r#"{"uri":"\u0062","x":1.0}"#),
            ]
        );
        standing.came_out("b", false);
        assert_eq!(standing.missing(), wishes[1..]);
        standing.came_out("b", true);
        assert_eq!(standing.missing(), []);
    }
}
