/// An id longer than this is not looked for: none in use is.
const ID_BYTES_MAX: usize = 256;

/// Looks for the id of a message that cannot be read whole: the member `id` of the outermost
/// object. It takes the bytes as they come and keeps none of them.
#[derive(Debug, Default)]
pub(super) struct IdSearch {
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// Whether the next string of the outermost object is a name.
    names: bool,
    /// The name, or the id, that is being read.
    word: Vec<u8>,
    /// Whether what comes is the id.
    is_id: bool,
    id: Option<Vec<u8>>,
}

impl IdSearch {
    /// Takes the next bytes.
    pub(super) fn look(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.take(byte);
        }
    }

    /// Returns the id as it is spelled; `null` where none was found.
    pub(super) fn found(&self) -> &[u8] {
        let id = self.id.as_deref().map(<[u8]>::trim_ascii);
        let is_id = |id: &&[u8]| {
            let parsed = serde_json::from_slice::<serde_json::Value>(id);
            parsed.is_ok_and(|id| id.is_string() || id.is_number())
        };
        id.filter(is_id).unwrap_or(b"null")
    }

    fn take(&mut self, byte: u8) {
        let outermost = self.depth == 1;
        if self.in_string {
            self.keep(byte);
            match (self.escaped, byte) {
                (false, b'\\') => self.escaped = true,
                (false, b'"') => self.in_string = false,
                (true | false, _) => self.escaped = false,
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                if self.names && outermost {
                    self.word.clear();
                }
                self.keep(byte);
            }
            b'{' | b'[' => {
                self.depth += 1;
                self.names = byte == b'{' && self.depth == 1;
                self.is_id = false;
            }
            b'}' | b']' => {
                if outermost {
                    self.end_of_value();
                }
                self.depth = self.depth.saturating_sub(1);
            }
            b':' if outermost && self.names => {
                self.is_id = self.id.is_none() && self.word.trim_ascii() == br#""id""#;
                self.names = false;
                self.word.clear();
            }
            b',' if outermost => {
                self.end_of_value();
                self.names = true;
            }
            _ => self.keep(byte),
        }
    }

    fn end_of_value(&mut self) {
        if std::mem::take(&mut self.is_id) {
            self.id = Some(std::mem::take(&mut self.word));
        }
        self.word.clear();
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 1 && self.word.len() < ID_BYTES_MAX {
            self.word.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_wherever_it_stands() {
        for (text, id) in [
            (r#"{"id":1,"method":"x"}"#, "1"),
            (
                r#"{"method":"x","params":{"id":2,"a":[{"id":3}]},"id" : "a\"b" }"#,
                r#""a\"b""#,
            ),
            (r#"{"x":"\",\"id\":4,","id":5.0"#, "null"),
            (r#"{"x":"\",\"id\":4,","id":5.0}"#, "5.0"),
            (r#"{"x":"id","y":"id","id":6}"#, "6"),
            (r#"{"id":{"a":1},"b":2}"#, "null"),
            (r#"{"id":null}"#, "null"),
            (r#"{"params":{"id":1}"#, "null"),
            (r#"[{"id":1}]"#, "null"),
            ("}}]]{{", "null"),
        ] {
            let mut search = IdSearch::default();
            for byte in text.bytes() {
                search.look(&[byte]);
            }
            assert_eq!(std::str::from_utf8(search.found()), Ok(id), "{text}");
        }
    }
}
