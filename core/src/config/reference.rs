const OPENING: &str = "${env:";

/// Why a text's references cannot be resolved.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadReference {
    /// The variable is not set.
    Unset(String),
    /// `${env:` has no name or no end.
    Malformed,
}

/// Puts the environment's values in place of every `${env:NAME}` of `text`. What a value holds is
/// not looked at again, and nothing else is special.
pub(super) fn resolve(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, BadReference> {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPENING) {
        let (name, after) = after.split_once('}').ok_or(BadReference::Malformed)?;
        if name.is_empty() || name.contains(['=', '\0', '{', '$']) {
            return Err(BadReference::Malformed);
        }
        resolved.push_str(before);
        resolved.push_str(&env(name).ok_or_else(|| BadReference::Unset(name.to_owned()))?);
        rest = after;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

/// Whether `text` refers to a variable.
pub(super) fn is_in(text: &str) -> bool {
    text.contains(OPENING)
}

/// The first `${…}` of `text` that other programs give a meaning and Narthex passes on as it
/// stands, such as `${input:token}` or `${workspaceFolder}`.
pub(super) fn foreign(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let found = &rest[start..];
        let end = found.find('}')?;
        if !found.starts_with(OPENING) {
            return Some(&found[..=end]);
        }
        rest = &found[end..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("alpha".into()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${env:A}".into()),
            _ => None,
        }
    }

    #[test]
    fn references_are_replaced_once() {
        for (text, wanted) in [
            ("", Ok("")),
            ("plain", Ok("plain")),
            ("${env:A}", Ok("alpha")),
            ("Bearer ${env:A}/${env:A}!", Ok("Bearer alpha/alpha!")),
            ("${env:EMPTY}", Ok("")),
            ("${env:NESTED}", Ok("${env:A}")),
            ("$${env:A}", Ok("$alpha")),
            ("$A ${A} ${input:x} %A%", Ok("$A ${A} ${input:x} %A%")),
            ("${env:NOT}", Err(BadReference::Unset("NOT".into()))),
            ("${env:}", Err(BadReference::Malformed)),
            ("${env:A", Err(BadReference::Malformed)),
            ("${env:${env:A}}", Err(BadReference::Malformed)),
        ] {
            let wanted = wanted.map(str::to_owned);
            assert_eq!(resolve(text, &env), wanted, "{text:?}");
        }
    }

    #[test]
    fn references_of_others_are_noticed() {
        for (text, wanted) in [
            ("", None),
            ("${env:A}", None),
            ("$A", None),
            ("${", None),
            ("${A}", Some("${A}")),
            ("${env:A} ${input:token} ${B}", Some("${input:token}")),
        ] {
            assert_eq!(foreign(text), wanted, "{text:?}");
        }
    }
}
