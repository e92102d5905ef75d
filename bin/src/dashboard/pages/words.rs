//! Numbers, settings and times, as pages show them: how long ago something was, and when exactly.

use crate::wording::{Span, whole_seconds};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::Time;
use maud::{Markup, html};
use std::fmt;
use std::time::Duration;

/// A number with commas: `12,345`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number(pub(super) u64);

/// A number of things: `1 job`, `2 jobs`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count(pub(super) u64, pub(super) &'static str, pub(super) &'static str);

/// A name in a command that somebody may copy into a shell: whoever chose the name runs nothing by that.
pub(super) fn shell_word(name: &Text) -> String {
    let name = name.to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(&byte);
    // It would be an option.
    let front = if name.starts_with('-') { "-- " } else { "" };
    match !name.is_empty() && name.bytes().all(is_plain) {
        true => format!("{front}{name}"),
        false => format!("{front}'{}'", name.replace('\'', "'\\''")),
    }
}

/// What a job wants besides, each with its name.
pub(super) fn settings(settings: JobSettings) -> Vec<(&'static str, String)> {
    let span = |duration: Duration| humantime::format_duration(duration).to_string();
    let kept = |builds| match builds {
        JobSettings::ALL_BUILDS => "all results".to_owned(),
        builds => Count(builds, "result on each platform", "results on each platform").to_string(),
    };
    [
        ("Ended after", settings.timeout().map(span)),
        ("Ended when silent for", settings.silence().map(span)),
        (
            "Missed runs",
            settings.skip_missed.map(|skips| if skips { "left out" } else { "made up for" }.to_owned()),
        ),
        ("Kept", settings.keep_builds.map(kept)),
        ("Kept for", settings.keep_seconds.map(Duration::from_secs).map(span)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            fmt::Write::write_char(f, digit)?;
        }
        Ok(())
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count(count, one, many) = *self;
        write!(f, "{} {}", Number(count), if count == 1 { one } else { many })
    }
}

/// A time to the minute, as HTML knows it: `2026-01-02T03:04Z`, or with `#` as people would rather read it, `2026-01-02 03:04Z`.
/// It is for pages with many times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Minute(pub(super) Time);

/// How far away a time is, in the largest unit: `3h ago`, `in 2d`, `now`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Away {
    pub(super) time: Time,
    pub(super) now: Time,
}

/// A time for people: `2026-01-02 03:04:05 UTC`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Utc(pub(super) Time);

/// How far away a time is. The script keeps it right.
pub(super) fn away(time: Time, now: Time) -> Markup {
    html! { time datetime=(whole_seconds(time)) title=(Utc(time)) { (Away { time, now }) } }
}

/// The time that has passed since then. The script keeps it right.
pub(super) fn since(time: Time, now: Time) -> Markup {
    html! { time.spent datetime=(whole_seconds(time)) title=(Utc(time)) { (Span(now.duration_since(time))) } }
}

/// When exactly. The script puts the reader's own time in its place.
pub(super) fn at(time: Time) -> Markup {
    html! { time.at datetime=(whole_seconds(time)) title=(Utc(time)) { (Utc(time)) } }
}

/// A length of time, which may be less than a second.
pub(super) fn took(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1..10 => format!("{}.{}s", duration.as_secs(), duration.subsec_millis() / 100),
        _ => Span(duration).to_string(),
    }
}

/// A bar that is full when the usual time has passed. What it says stands beside it, too.
pub(super) fn progress(label: &str, elapsed: Duration, usual: Duration) -> Markup {
    html! { progress max=(usual.as_secs().max(1)) value=(elapsed.min(usual).as_secs()) aria-label=(label) {} }
}

/// A length of time in its largest unit.
struct Rough(Duration);

impl fmt::Display for Rough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = Span(self.0).to_string();
        f.write_str(span.split(' ').next().unwrap_or(&span))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        text.truncate("2026-01-02T03:04".len());
        if f.alternate() {
            text = text.replace('T', " ");
        }
        write!(f, "{text}Z")
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Away { time, now } = *self;
        let (past, future) = (now.duration_since(time), time.duration_since(now));
        if future.as_secs() > 0 {
            write!(f, "in {}", Rough(future))
        } else if past.as_secs() > 0 {
            write!(f, "{} ago", Rough(past))
        } else {
            f.write_str("now")
        }
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = whole_seconds(self.0).to_string();
        write!(f, "{} UTC", text.trim_end_matches('Z').replace('T', " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_words_for_one_and_many() {
        let words = [0, 999, 1000, 1_234_567].map(|number| Number(number).to_string());
        assert_eq!(words, ["0", "999", "1,000", "1,234,567"]);
        let jobs = [0, 1, 1500].map(|count| Count(count, "job", "jobs").to_string());
        assert_eq!(jobs, ["0 jobs", "1 job", "1,500 jobs"]);
    }

    #[test]
    fn a_name_in_a_command_is_one_word() {
        let words =
            ["web-1.2", "a b", "$(id)", "it's; `id`", "-x", "\u{202e}"].map(|name| shell_word(&name.into()));
        assert_eq!(words, ["web-1.2", "'a b'", "'$(id)'", "'it'\\''s; `id`'", "-- -x", "'\\u{202e}'"]);
    }

    #[test]
    fn settings_are_named() {
        let some = JobSettings {
            timeout: Some(600),
            keep_builds: Some(1),
            skip_missed: Some(true),
            ..JobSettings::NONE
        };
        let words: Vec<String> =
            settings(some).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(words, ["Ended after: 10m", "Missed runs: left out", "Kept: 1 result on each platform"]);
        assert!(settings(JobSettings::NONE).is_empty());
    }

    fn time(milliseconds: i64) -> Time {
        Time::from_unix_milliseconds(milliseconds)
    }

    #[test]
    fn times_are_shown_by_how_far_away_they_are() {
        let away = |milliseconds| Away { time: time(milliseconds), now: time(100_000_000) }.to_string();
        assert_eq!(away(100_000_999), "now");
        assert_eq!(away(99_999_001), "now");
        assert_eq!(away(100_061_000), "in 1m");
        assert_eq!(away(100_000_000 - 7_200_000), "2h ago");
    }

    #[test]
    fn times_are_exact_where_there_is_room() {
        let one = time(1_767_323_045_250);
        assert_eq!(Minute(one).to_string(), "2026-01-02T03:04Z");
        assert_eq!(format!("{:#}", Minute(one)), "2026-01-02 03:04Z");
        assert_eq!(Utc(one).to_string(), "2026-01-02 03:04:05 UTC");
        let words = "<time class=\"at\" datetime=\"2026-01-02T03:04:05Z\" title=\"2026-01-02 03:04:05 UTC\">\
                     2026-01-02 03:04:05 UTC</time>";
        assert_eq!(at(one).into_string(), words);
    }

    #[test]
    fn short_times_have_a_fraction() {
        let words = [5, 1500, 61_000].map(|milliseconds| took(Duration::from_millis(milliseconds)));
        assert_eq!(words, ["5 ms", "1.5s", "1m 1s"]);
    }
}
