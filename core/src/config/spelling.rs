use super::settings::{LISTEN, LOG_LEVEL, MAX_CONCURRENT};

/// Every key of an entry that means something here.
const KNOWN: [&str; 17] = [
    "command",
    "args",
    "env",
    "cwd",
    "url",
    "httpUrl",
    "serverUrl",
    "headers",
    "type",
    "transport",
    "enabled",
    "disabled",
    "quarantined",
    "initTimeout",
    "callTimeout",
    "maxConcurrent",
    "session",
];

/// What other programs, or people from memory, write for a key that has another name here.
const SYNONYMS: [(&str, &str); 8] = [
    ("cmd", "command"),
    ("arguments", "args"),
    ("environment", "env"),
    ("enviroment", "env"),
    ("workdir", "cwd"),
    ("workingdir", "cwd"),
    ("workingdirectory", "cwd"),
    ("uri", "url"),
];

/// Every setting beside the servers.
const SETTINGS: [&str; 3] = [LISTEN, LOG_LEVEL, MAX_CONCURRENT];

/// Returns the setting that `key` was probably meant to be; see [`meant`].
pub(super) fn meant_setting(key: &str) -> Option<&'static str> {
    let plain = plain(key);
    let mut settings = SETTINGS.into_iter();
    let resembled = settings.find(|known| resembles(&plain, known));
    resembled.filter(|known| *known != key)
}

/// Returns the known key that `key` was probably meant to be; `None` when it is known, or when it
/// resembles none and is likely a key of another program.
pub(super) fn meant(key: &str) -> Option<&'static str> {
    if KNOWN.contains(&key) {
        return None;
    }
    let plain = plain(key);
    let synonym = SYNONYMS
        .iter()
        .find(|(written, _)| *written == plain)
        .map(|(_, known)| *known);
    synonym.or_else(|| KNOWN.into_iter().find(|known| resembles(&plain, known)))
}

fn plain(key: &str) -> String {
    key.chars()
        .filter(|char| !matches!(char, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Short keys differ by little from many words (`session` from `version`), so they allow for less.
fn resembles(written: &str, known: &str) -> bool {
    let known = plain(known);
    let allowed = match known.len() {
        0..=7 => 1,
        _ => 2,
    };
    written.len() >= 3
        && written.len().abs_diff(known.len()) <= allowed
        && distance(written, &known) <= allowed
}

/// How many letters must be put in, taken out, exchanged or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let exchanged = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
                let least = exchanged.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                let swapped =
                    i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
                if swapped {
                    least.min(rows[i - 2][j - 2] + 1)
                } else {
                    least
                }
            };
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_misspellings_name_what_was_meant() {
        for (written, wanted) in [
            ("arg", Some("args")),
            ("agrs", Some("args")),
            ("Args", Some("args")),
            ("comand", Some("command")),
            ("cmd", Some("command")),
            ("enviroment", Some("env")),
            ("environment", Some("env")),
            ("envs", Some("env")),
            ("header", Some("headers")),
            ("URL", Some("url")),
            ("http_url", Some("httpUrl")),
            ("init_timeout", Some("initTimeout")),
            ("max-concurrent", Some("maxConcurrent")),
            ("working_directory", Some("cwd")),
            ("disable", Some("disabled")),
        ] {
            assert_eq!(meant(written), wanted, "{written:?}");
        }
    }

    #[test]
    fn keys_of_other_programs_are_let_be() {
        let theirs = [
            "timeout",
            "trust",
            "tools",
            "tags",
            "autoApprove",
            "alwaysAllow",
            "description",
            "name",
            "oauth",
            "auth",
            "envFile",
            "includeTools",
            "icon",
            "id",
            "$schema",
            "gallery",
            "version",
            "dev",
        ];
        for key in theirs.into_iter().chain(KNOWN) {
            assert_eq!(meant(key), None, "{key:?}");
        }
    }
}
