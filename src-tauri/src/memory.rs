use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

/// What the window wants to find again when it is opened the next time: drafts, searches, how far
/// a list was scrolled. It lives as long as the program.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    kept: Mutex<BTreeMap<String, Value>>,
}

/// Things kept at most; a page has a handful.
const KEYS_MAX: usize = 256;

/// The longest thing kept, in bytes of JSON. A draft of an entry has some hundred.
const BYTES_MAX: usize = 256 * 1024;

/// Why a thing was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotKept {
    #[error("`{0}` is longer than 256 KiB")]
    TooLong(String),
    #[error("more than 256 things are kept")]
    TooMany,
}

impl Memory {
    /// Keeps a thing under a key; null forgets it.
    pub(crate) fn keep(&self, key: String, value: Value) -> Result<(), NotKept> {
        if value.to_string().len() > BYTES_MAX {
            return Err(NotKept::TooLong(key));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if value.is_null() {
            kept.remove(&key);
            return Ok(());
        }
        if kept.len() >= KEYS_MAX && !kept.contains_key(&key) {
            return Err(NotKept::TooMany);
        }
        kept.insert(key, value);
        Ok(())
    }

    /// Returns what is kept under a key.
    pub(crate) fn recall(&self, key: &str) -> Option<Value> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).cloned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_kept_last_is_recalled() {
        let memory = Memory::default();
        memory.keep("draft".into(), json!({"name": "a"})).unwrap();
        memory.keep("draft".into(), json!({"name": "ab"})).unwrap();
        assert_eq!(memory.recall("draft"), Some(json!({"name": "ab"})));
        memory.keep("draft".into(), Value::Null).unwrap();
        assert_eq!(memory.recall("draft"), None);
    }

    #[test]
    fn a_page_gone_wild_does_not_fill_the_memory() {
        let memory = Memory::default();
        for number in 0..KEYS_MAX {
            memory.keep(number.to_string(), json!(1)).unwrap();
        }
        let one_more = memory.keep("one more".into(), json!(1));
        assert_eq!(one_more, Err(NotKept::TooMany));
        let long = memory.keep("0".into(), json!("x".repeat(BYTES_MAX)));
        assert_eq!(long, Err(NotKept::TooLong("0".into())));
        assert_eq!(memory.recall("0"), Some(json!(1)));
    }
}
