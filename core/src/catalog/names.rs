use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

/// The longest name offered, in characters. Clients put a prefix of their own before it and stop
/// at 64.
const NAME_CHARS_MAX: usize = 50;

/// Characters of the hash suffix: 40 bits, so that two of 20,000 tools meet with a chance of 1 in
/// 5,000, and then both are refused rather than mixed up.
const HASH_CHARS: usize = 8;

/// What stands before the hash: nothing that a plain name has there, so that a plain name is never
/// taken for a hashed one.
const HASH_MARK: &str = "_-";

const HASH_ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// Returns the name under which clients see a server's tool at the merged address:
/// `server__tool`, of `[A-Za-z0-9_-]` and at most 50 characters.
///
/// The name depends on these two texts alone, so that adding a server never renames another's
/// tools. Whenever something was cleaned or cut, a hash of both follows, so that two tools do not
/// become one; the same where the plain name could be read as another pair's.
pub fn offered_name(server: &str, tool: &str) -> String {
    let (server_part, tool_part) = (clean(server), clean(tool));
    let plain = format!("{server_part}__{tool_part}");
    let ambiguous = server.contains("__") || server.ends_with('_') || looks_hashed(&plain);
    let cleaned = matches!(server_part, Cow::Owned(_))
        || matches!(tool_part, Cow::Owned(_))
        || tool.is_empty();
    if !ambiguous && !cleaned && plain.len() <= NAME_CHARS_MAX {
        return plain;
    }
    let mut name = plain;
    name.truncate(NAME_CHARS_MAX - HASH_CHARS - HASH_MARK.len());
    name.push_str(HASH_MARK);
    name.push_str(&hash(server, tool));
    name
}

/// What every prefix of a URI begins with.
pub const URI_SCHEME: &str = "narthex+";

/// Returns what stands before a server's URI at the merged address, where the URI alone would not
/// lead to it: `narthex+{server}+`, so that a scheme with a prefix is still a scheme. A hash stands
/// for what of the name no scheme may hold.
pub fn uri_prefix(server: &str) -> String {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if server.bytes().all(allowed) {
        return format!("{URI_SCHEME}{server}+");
    }
    // No plain name has a dot in it, so none is taken for a hashed one.
    format!("{URI_SCHEME}.{}+", hash(server, ""))
}

fn clean(text: &str) -> Cow<'_, str> {
    let allowed =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if text.chars().all(allowed) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(
            text.chars()
                .map(|character| if allowed(character) { character } else { '_' })
                .collect(),
        )
    }
}

/// Whether a name has a hash at its end: one without is that of one pair alone.
pub(super) fn looks_hashed(name: &str) -> bool {
    let mark = name.len().checked_sub(HASH_CHARS + HASH_MARK.len());
    let suffix = mark.and_then(|at| name.as_bytes()[at..].strip_prefix(HASH_MARK.as_bytes()));
    suffix.is_some_and(|hash| hash.iter().all(|byte| HASH_ALPHABET.contains(byte)))
}

fn hash(server: &str, tool: &str) -> String {
    let mut digest = Sha256::new();
    digest.update((server.len() as u64).to_le_bytes());
    digest.update(server);
    digest.update(tool);
    let digest = digest.finalize();
    let bits = digest[..5]
        .iter()
        .fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    (0..HASH_CHARS)
        .map(|place| char::from(HASH_ALPHABET[(bits >> (5 * place) & 31) as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_names_stay_plain() {
        assert_eq!(
            offered_name("github", "create_issue"),
            "github__create_issue"
        );
        assert_eq!(offered_name("file-system", "read"), "file-system__read");
        assert_eq!(offered_name("git", "checkout"), "git__checkout");
        assert_eq!(offered_name("a", "tool_20261121"), "a__tool_20261121");
    }

    #[test]
    fn what_could_be_mixed_up_gets_a_hash() {
        assert_ne!(offered_name("a__b", "c"), offered_name("a", "b__c"));
        assert_ne!(offered_name("a_", "b"), offered_name("a", "_b"));
        assert_ne!(
            offered_name("my.server", "x"),
            offered_name("my_server", "x")
        );
        assert_ne!(
            offered_name("s", &"x".repeat(60)),
            offered_name("s", &"x".repeat(61))
        );
        let hashed = offered_name("my.server", "x");
        let (_, forged) = hashed.split_once("__").unwrap();
        assert_ne!(offered_name("my_server", forged), hashed);
    }

    #[test]
    fn a_scheme_with_a_prefix_is_a_scheme() {
        assert_eq!(uri_prefix("git-2"), "narthex+git-2+");
        for server in ["My server", "my_server", "ünï", ""] {
            let prefix = uri_prefix(server);
            let scheme = prefix
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
            assert!(scheme, "{prefix}");
        }
        assert_ne!(uri_prefix("my_server"), uri_prefix("my.server"));
    }

    proptest! {
        #[test]
        fn every_name_is_one_that_clients_take(server in "\\PC{1,100}", tool in "\\PC{0,500}") {
            let name = offered_name(&server, &tool);
            prop_assert!(name.len() <= NAME_CHARS_MAX);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'));
        }

        #[test]
        fn two_pairs_have_two_names(a in "[a_]{1,6}", b in "[a_]{1,6}", c in "[a_]{1,6}", d in "[a_]{1,6}") {
            prop_assert_eq!((&a, &b) == (&c, &d), offered_name(&a, &b) == offered_name(&c, &d));
        }
    }
}
