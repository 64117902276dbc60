use std::{
    env,
    io::{self, IsTerminal, Write},
};

/// Whether output may be coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// It goes to a file or a program, or the person does not want it.
    None,
    /// It goes to a terminal.
    Ansi,
}

/// How something is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Bold,
    Faint,
    Good,
    Attention,
    Bad,
}

impl Paint {
    /// Returns what fits standard output.
    pub(super) fn stdout() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|term| term == "dumb");
        if io::stdout().is_terminal() && !refused {
            Self::Ansi
        } else {
            Self::None
        }
    }

    pub(super) fn write(self, output: &mut impl Write, style: Style, text: &str) -> io::Result<()> {
        let code = match (self, style) {
            (Self::None, _) | (Self::Ansi, Style::Plain) => {
                return output.write_all(text.as_bytes());
            }
            (Self::Ansi, Style::Bold) => 1,
            (Self::Ansi, Style::Faint) => 2,
            (Self::Ansi, Style::Good) => 32,
            (Self::Ansi, Style::Attention) => 33,
            (Self::Ansi, Style::Bad) => 31,
        };
        write!(output, "\x1b[{code}m{text}\x1b[0m")
    }
}

/// Returns how wide standard output is; nothing where it is not a terminal.
pub(super) fn columns() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    window_columns().or_else(|| env::var("COLUMNS").ok()?.parse().ok())
}

#[cfg(unix)]
fn window_columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(not(unix))]
fn window_columns() -> Option<usize> {
    None
}

/// Returns whether a person can be asked: they see the question and can type an answer.
pub(super) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Asks a question. Only `y` and `yes` mean yes; Enter alone, the end of input and everything
/// else mean no.
pub(super) fn confirm(question: &str) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    write!(stdout, "{question} [y/N] ")?;
    stdout.flush()?;
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer)? == 0 {
        writeln!(stdout)?;
    }
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// A line on a terminal's standard error that replaces itself: how something goes on.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
    terminal: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            shown: false,
            terminal: io::stderr().is_terminal(),
        }
    }

    /// Returns whether anybody would see it.
    pub(super) const fn is_visible(&self) -> bool {
        self.terminal
    }

    pub(super) fn show(&mut self, line: &str) {
        if !self.terminal {
            return;
        }
        let columns = window_columns().unwrap_or(80).saturating_sub(1);
        let line = super::text::printable(line);
        let line = super::text::cut(&line, columns);
        let mut stderr = io::stderr().lock();
        // Progress that cannot be shown is no failure.
        let _ = write!(stderr, "\r\x1b[K{line}");
        let _ = stderr.flush();
        self.shown = true;
    }

    pub(super) fn clear(&mut self) {
        if self.shown {
            let mut stderr = io::stderr().lock();
            // As above.
            let _ = write!(stderr, "\r\x1b[K");
            let _ = stderr.flush();
            self.shown = false;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_y_and_yes_mean_yes() {
        for yes in ["y\n", "yes\n", "Y\r\n", " YES \n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yep\n", "yy\n", "ja\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
