//! "Try again in 3 days 2 hours 5 minutes": the wait that some vendors' error events give in words only.

use crate::seen::Until;
use skep_core::time::Millis;

/// What stands before a wait: Codex and OpenAI, Gemini, the Gemini CLI.
const BEFORE: &[&str] = &["try again in ", "retry in ", "retry after "];

/// The wait that the text of an error event names.
pub(crate) fn told(text: &str) -> Option<Until> {
    let lower = text.to_ascii_lowercase();
    let (_, rest) = BEFORE.iter().find_map(|words| lower.split_once(words))?;
    let mut words = rest
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|word| !word.is_empty() && *word != "and");
    let mut total = Millis(0);
    while let Some(word) = words.next() {
        let word = word.trim_end_matches('.');
        let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, glued) = word.split_at(digits.unwrap_or(word.len()));
        let Ok(number) = number.parse::<f64>() else {
            break;
        };
        let unit = if glued.is_empty() {
            words.next().unwrap_or_default().trim_end_matches('.')
        } else {
            glued
        };
        let unit: f64 = match unit {
            "ms" => 1.0,
            "s" | "second" | "seconds" | "sec" | "secs" => 1e3,
            "m" | "minute" | "minutes" | "min" | "mins" => 6e4,
            "h" | "hour" | "hours" => 3.6e6,
            "d" | "day" | "days" => 8.64e7,
            _ => break,
        };
        // Casts of floats saturate.
        total.0 = total.0.saturating_add((number * unit) as u64);
    }
    (total.0 > 0).then_some(Until::After(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: S-5a
    #[test]
    fn a_wait_in_words_is_read() {
        for (text, ms) in [
            (
                "You've hit your usage limit. Try again in 3 days 2 hours 5 minutes.",
                266_700_000,
            ),
            ("Quota exceeded. Please retry in 51.5s.", 51_500),
            ("Slow down.\nSuggested retry after 3600s.", 3_600_000),
            ("Please try again in 1.5s. Visit ...", 1500),
            ("try again in 20s", 20_000),
            ("try again in 1 hour and 1 minute", 3_660_000),
        ] {
            assert_eq!(told(text), Some(Until::After(Millis(ms))), "{text}");
        }
        for text in [
            "try again later",
            "try again in a while",
            "try again in 5 parsecs",
            "",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }
}
