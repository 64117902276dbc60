/// A URI template (RFC 6570), as far as it takes to tell which server a URI is of: the literal parts
/// must stand in the URI, in order; an expression stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// What stands between the expressions; one more than there are expressions.
    literals: Vec<String>,
}

impl Template {
    /// Reads a template. What is no well-formed expression counts as literal.
    pub fn new(text: &str) -> Self {
        let mut literals = vec![String::new()];
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((_, after)) = after.split_once('}') else {
                break;
            };
            if let Some(last) = literals.last_mut() {
                last.push_str(before);
            }
            literals.push(String::new());
            rest = after;
        }
        if let Some(last) = literals.last_mut() {
            last.push_str(rest);
        }
        Self { literals }
    }

    /// Returns how many bytes are literal: the more, the better a match tells.
    pub fn specificity(&self) -> usize {
        self.literals.iter().map(String::len).sum()
    }

    /// Whether `uri` can be one of this template's.
    pub fn matches(&self, uri: &str) -> bool {
        let Some((first, rest)) = self.literals.split_first() else {
            return false;
        };
        let Some(mut left) = uri.strip_prefix(first.as_str()) else {
            return false;
        };
        let Some((last, between)) = rest.split_last() else {
            return left.is_empty();
        };
        for literal in between {
            // The earliest place leaves most for those that follow.
            let Some(at) = left.find(literal.as_str()) else {
                return false;
            };
            left = &left[at + literal.len()..];
        }
        left.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_matches_what_its_literals_allow() {
        let matches = |template: &str, uri: &str| Template::new(template).matches(uri);
        assert!(matches(
            "test://template/{id}/data",
            "test://template/7/data"
        ));
        assert!(matches("file:///{+path}", "file:///a/b/c"));
        assert!(matches("a://{x}-{y}{?q}", "a://1-2"));
        assert!(matches("plain://x", "plain://x"));
        assert!(!matches("plain://x", "plain://xy"));
        assert!(!matches(
            "test://template/{id}/data",
            "test://template/7/date"
        ));
        assert!(!matches("a://{x}b", "a://"));
        assert!(matches("a://{broken", "a://{broken"));
        assert!(!matches("", "a"));
    }
}
