//! Text that a server wrote, made safe to show. A terminal obeys what it prints: a name could move
//! the cursor, rewrite the line above, or fill the clipboard.

use std::borrow::Cow;

/// Escapes what a terminal would obey: control characters, and those that turn the direction of
/// what follows. For names and everything that stands on one line.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    escape(text, commands)
}

/// Like [`printable`], with tabs kept: for lines of a log.
pub(super) fn log_line(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\t' && commands(c))
}

/// Like [`printable`], with line breaks and tabs kept: for what a tool answered.
pub(super) fn block(text: &str) -> Cow<'_, str> {
    escape(text, |c| !matches!(c, '\n' | '\t') && commands(c))
}

/// Makes visible also what nobody sees but a model reads: zero-width characters, tags, fillers.
/// For what a person is asked to approve. Line breaks are kept.
pub(super) fn revealed(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\n' && (commands(c) || invisible(c)))
}

/// How many columns the text takes in a terminal: two for what is drawn wide, none for what is
/// drawn onto the character before it.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Cuts the text to at most `columns`, with `…` where something is missing.
pub(super) fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut used = 1;
    let mut kept: String = text
        .chars()
        .take_while(|c| {
            used += char_width(*c);
            used <= columns
        })
        .collect();
    if columns > 0 {
        kept.push('…');
    }
    Cow::Owned(kept)
}

fn escape(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Control characters, line and paragraph separators, and the overrides of direction.
fn commands(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{61c}'
        )
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What is drawn as nothing (Unicode's default-ignorable code points).
fn invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

fn char_width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' => 0,
        c if invisible(c) => 0,
        '\u{1100}'..='\u{115e}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_command_the_terminal() {
        assert_eq!(
            printable("a\u{1b}]0;owned\u{7}\r\nb\u{9b}2J\u{202e}c"),
            "a\\u{1b}]0;owned\\u{7}\\r\\nb\\u{9b}2J\\u{202e}c"
        );
        assert_eq!(printable("größe 数 🦀"), "größe 数 🦀");
        assert_eq!(log_line("a\tb\u{1b}"), "a\tb\\u{1b}");
        assert_eq!(block("a\n\tb\u{1b}"), "a\n\tb\\u{1b}");
    }

    #[test]
    fn what_hides_from_a_person_is_revealed() {
        assert_eq!(
            revealed("a\u{200b}b\u{e0041}\nc"),
            "a\\u{200b}b\\u{e0041}\nc"
        );
    }

    #[test]
    fn what_is_cut_fits() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "long…");
        assert_eq!(cut("数数数", 5), "数数…");
        assert_eq!(width("数a"), 3);
    }
}
