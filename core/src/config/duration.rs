use std::time::Duration;

/// Longer than any call or start that somebody waits for; it keeps sums of durations from
/// overflowing.
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Reads seconds. `None` when it is no such number, not above zero or beyond a week.
pub(super) fn of_seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero() && *duration <= DURATION_MAX)
}

/// Reads a number with a unit (`500ms`, `30s`, `2m`, `1.5h`), or without one as seconds.
pub(super) fn of_text(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text
        .find(|char: char| !char.is_ascii_digit() && char != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    of_seconds(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbers_with_a_unit() {
        for (text, wanted) in [
            ("30s", Some(30_000)),
            ("30 s", Some(30_000)),
            ("2m", Some(120_000)),
            ("500ms", Some(500)),
            ("1.5h", Some(5_400_000)),
            ("30", Some(30_000)),
            (" 0.25 ", Some(250)),
            ("", None),
            ("s", None),
            ("0s", None),
            ("-1s", None),
            ("1.2.3s", None),
            ("2 minutes", None),
            ("30S", None),
            ("1M", None),
            ("169h", None),
            ("1e3s", None),
            ("nan", None),
        ] {
            let wanted = wanted.map(Duration::from_millis);
            assert_eq!(of_text(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_seconds() {
        for (seconds, wanted) in [
            (30.0, Some(30_000)),
            (0.5, Some(500)),
            (0.0, None),
            (-0.0, None),
            (-3.0, None),
            (f64::INFINITY, None),
            (f64::NAN, None),
            (1e300, None),
        ] {
            let wanted = wanted.map(Duration::from_millis);
            assert_eq!(of_seconds(seconds), wanted, "{seconds}");
        }
    }
}
