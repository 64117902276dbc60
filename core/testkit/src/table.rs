//! What benchmarks print: Markdown tables, and the figures in them.

use std::{env, fmt::Write, time::Duration};

/// A Markdown table.
#[derive(Debug)]
pub struct Table {
    columns: usize,
    text: String,
}

impl Table {
    /// Starts a table; the first column holds words, the others figures.
    pub fn new(columns: &[&str]) -> Self {
        let mut text = format!("| {} |\n|---|", columns.join(" | "));
        text.push_str(&"--:|".repeat(columns.len().saturating_sub(1)));
        text.push('\n');
        Self {
            columns: columns.len(),
            text,
        }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When it has another number of cells than the table has columns.
    pub fn row(&mut self, cells: &[String]) {
        assert_eq!(cells.len(), self.columns, "{cells:?}");
        writeln!(self.text, "| {} |", cells.join(" | ")).expect("text takes text");
    }

    /// Returns the table.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Returns the median.
///
/// # Panics
/// When there is none.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Returns microseconds.
pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Returns milliseconds.
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Returns a number from the environment, or `default`.
pub fn setting(variable: &str, default: u64) -> u64 {
    env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Returns whether a benchmark was asked for: `cargo bench` says so, and `cargo test`, which builds
/// and starts benchmarks too, does not.
pub fn is_asked_for() -> bool {
    env::args().any(|arg| arg == "--bench")
}
