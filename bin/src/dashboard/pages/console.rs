//! Lines of a console, for a page and for those that are added to it while they are printed.

use super::context::Context;
use super::problem::{Problem, known};
use super::route::View;
use super::words::{Count, Number};
use crate::pattern::Pattern;
use builder_engine::dashboard::colours;
use builder_engine::dashboard::site::{Console, Line, Window};
use builder_proto::Uuid;
use maud::{Markup, PreEscaped, html};
use serde_json::json;

/// How many lines a page shows.
pub(super) const LINES: u64 = 1000;

/// The lines that a view shows; the error says why a pattern is none.
pub(super) fn window(view: &View) -> Result<Window, String> {
    Ok(match view {
        View::End => Window::Last(LINES as usize),
        View::Around(line) => Window::From(line.saturating_sub(LINES / 2).max(1), LINES as usize),
        View::From(line) => Window::From(*line, LINES as usize),
        View::Find(pattern) => {
            pattern.parse::<Pattern>().map_err(|error| error.to_string())?;
            Window::Matching(pattern.clone(), LINES as usize)
        }
    })
}

/// A console, as far as it is shown.
pub(super) struct Shown<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) uuid: Uuid,
    pub(super) view: &'a View,
    /// Whether more may come.
    pub(super) is_running: bool,
}

impl Shown<'_> {
    /// The error is what is to be said in place of the console.
    fn console(&self) -> Result<&Console, Problem> {
        let window = window(self.view).map_err(Problem::bad)?;
        known(self.context.answers.console(self.uuid, &window)).map(|console| &**console)
    }

    pub(super) fn section(&self) -> Markup {
        html! {
            section #console.console aria-labelledby="console-title" {
                div.titlebar {
                    h2 #console-title { "Console" }
                    (self.find_form())
                    div.tools {
                        a href=(self.context.links.console_text(self.uuid)) { "Whole text" }
                        @if self.is_live() {
                            button #follow type="button" aria-pressed="false" hidden { "Follow" }
                        }
                    }
                }
                @match window(self.view) {
                    Err(words) => p.message.bad role="alert" { "✗ " (words) "." },
                    Ok(_) => (self.lines()),
                }
            }
        }
    }

    /// Only the end of the console goes on by itself.
    fn is_live(&self) -> bool {
        self.is_running && *self.view == View::End
    }

    fn find_form(&self) -> Markup {
        let pattern = match self.view {
            View::Find(pattern) => pattern.as_str(),
            _ => "",
        };
        html! {
            form.find role="search" method="get" action={ (self.context.links.build(self.uuid)) "#console" } {
                input type="search" name="find" value=(pattern) placeholder="Find: a regular expression"
                    aria-label="Find in the console: a regular expression" spellcheck="false" autocomplete="off"
                    autocapitalize="off";
                button type="submit" { "Find" }
            }
        }
    }

    fn lines(&self) -> Markup {
        let console = match self.console() {
            Ok(console) => console,
            Err(problem) => return problem.message(),
        };
        let live = self.is_live().then(|| self.context.links.live(self.uuid, console.total + 1));
        html! {
            (self.before(console))
            @if console.lines.is_empty() && !self.is_live() {
                @if let Some(words) = self.nothing(console) { p.empty { (words) } }
            } @else {
                div #lines.lines data-live=[live] data-page=(self.context.links.build(self.uuid)) {
                    @match self.view {
                        View::Find(pattern) => (self.found(console, pattern)),
                        _ => @for line in &console.lines { (shown_line(line)) },
                    }
                }
            }
            (self.after(console))
        }
    }

    /// What stands in the place of lines, unless what stands above has said it.
    fn nothing(&self, console: &Console) -> Option<String> {
        match (self.view, console.total) {
            (_, 0) => Some("It has printed nothing.".to_owned()),
            (View::Find(_), _) => None,
            (_, 1) => Some("There is only 1 line.".to_owned()),
            (_, total) => Some(format!("There are only {} lines.", Number(total))),
        }
    }

    /// What stands above the lines: which ones these are, and the way to earlier ones.
    fn before(&self, console: &Console) -> Markup {
        let links = self.context.links;
        let first = console.lines.first().map_or(1, |line| line.number);
        if let View::Find(_) = self.view {
            let shown = console.lines.len() as u64;
            return html! {
                p.window role="status" {
                    (Number(console.fitting)) " of " (Count(console.total, "line", "lines"))
                    @if console.fitting == 1 { " matches" } @else { " match" }
                    @if shown < console.fitting { "; these are the first " (Number(shown)) }
                    ". " a href={ (links.build(self.uuid)) "#console" } { "All lines" }
                }
            };
        }
        html! {
            p.window {
                @if first > 1 {
                    a #earlier href=(links.lines_from(self.uuid, first.saturating_sub(LINES).max(1))) { "↑ Earlier lines" }
                    " · "
                    a href=(links.lines_from(self.uuid, 1)) { "First" }
                    " · "
                } @else {
                    a #earlier hidden href=(links.lines_from(self.uuid, 1)) { "↑ Earlier lines" }
                }
                span #count { (Count(console.total, "line", "lines")) }
                @if let Some(last) = console.lines.last() && !self.is_live() && last.number > 30 {
                    " · " a href={ "#L" (last.number) } { "↓ To the end" }
                }
            }
        }
    }

    /// The way to later lines, if there are any.
    fn after(&self, console: &Console) -> Markup {
        let links = self.context.links;
        let last = console.lines.last().map(|line| line.number);
        html! {
            @match (self.view, last) {
                (View::Find(_), _) => {}
                (_, Some(last)) if last < console.total => p.window {
                    a href=(links.lines_from(self.uuid, last + 1)) { "↓ Later lines" }
                    " · "
                    a href={ (links.build(self.uuid)) "#end" } { "Last" }
                },
                _ => @if self.is_live() { p #status.window role="status" { "▶ It runs. Load the page again to see more." } },
            }
            span #end {}
        }
    }

    /// Lines that match, with what matches marked and the way to where they stand.
    fn found(&self, console: &Console, pattern: &str) -> Markup {
        let pattern: Option<Pattern> = pattern.parse().ok();
        html! {
            @for line in &console.lines {
                div.l {
                    a href=(self.context.links.line(self.uuid, line.number)) { (line.number) }
                    (time(line))
                    code { (marked(line, pattern.as_ref())) }
                }
            }
        }
    }
}

fn shown_line(line: &Line) -> Markup {
    html! {
        div.l id={ "L" (line.number) } {
            a href={ "#L" (line.number) } { (line.number) }
            (time(line))
            code { (PreEscaped(colours::html(line.text.as_bytes()))) }
        }
    }
}

fn time(line: &Line) -> Markup {
    html! {
        @if let Some(milliseconds) = milliseconds(line) { i { (Elapsed(milliseconds)) } } @else { i {} }
    }
}

/// Milliseconds from the start of the build to when the line was printed.
fn milliseconds(line: &Line) -> Option<i64> {
    line.nanoseconds.map(|nanoseconds| nanoseconds / 1_000_000)
}

/// A line without colours, in which what matches is marked.
fn marked(line: &Line, pattern: Option<&Pattern>) -> Markup {
    let text = colours::text(line.text.as_bytes());
    let ranges = pattern.map(|pattern| pattern.find_all(text.as_bytes())).unwrap_or_default();
    let mut at = 0;
    let mut pieces = Vec::new();
    for range in ranges {
        // A pattern may match parts of characters.
        if let (Some(before), Some(matched)) = (text.get(at..range.start), text.get(range.clone()))
            && !matched.is_empty()
        {
            pieces.push((before, matched));
            at = range.end;
        }
    }
    html! {
        @for (before, matched) in pieces { (before) mark { (matched) } }
        (text.get(at..).unwrap_or_default())
    }
}

/// Appends a line as the script of the page reads it: its number, its milliseconds or null, and what it says as HTML.
pub(super) fn append_line(output: &mut Vec<u8>, line: &Line) {
    let value = json!([line.number, milliseconds(line), colours::html(line.text.as_bytes())]);
    output.extend_from_slice(value.to_string().as_bytes());
}

/// Time since a build started: `0:07.3`, `1:02:07.3`. The script writes it in the same way.
struct Elapsed(i64);

impl std::fmt::Display for Elapsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = self.0.unsigned_abs() / 100;
        let (seconds, minutes, hours) = (tenths / 10 % 60, tenths / 600 % 60, tenths / 36_000);
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if hours > 0 {
            write!(f, "{hours}:{minutes:02}:{seconds:02}.{}", tenths % 10)
        } else {
            write!(f, "{minutes}:{seconds:02}.{}", tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &[u8]) -> Line {
        Line { number: 7, nanoseconds: Some(62_345_000_000), text: text.into() }
    }

    #[test]
    fn a_line_of_a_stream_is_a_json_array() {
        let mut output = Vec::new();
        append_line(&mut output, &line(b"<b>\n\"\x1b[31mred"));
        let value: serde_json::Value = serde_json::from_slice(&output).unwrap();
        assert_eq!((&value[0], &value[1]), (&json!(7), &json!(62_345)));
        assert!(value[2].as_str().unwrap().starts_with("&lt;b&gt;"), "{value}");
        assert!(!output.contains(&b'\n'));
        output.clear();
        append_line(&mut output, &Line { nanoseconds: None, ..line(b"") });
        assert_eq!(output, b"[7,null,\"\"]");
    }

    #[test]
    fn times_are_minutes_and_seconds() {
        let words =
            [0, 7_390, 62_345, 3_727_300, -1500].map(|milliseconds| Elapsed(milliseconds).to_string());
        assert_eq!(words, ["0:00.0", "0:07.3", "1:02.3", "1:02:07.3", "-0:01.5"]);
    }

    #[test]
    fn what_matches_is_marked() {
        let marked =
            |text: &[u8], pattern: &str| marked(&line(text), Some(&pattern.parse().unwrap())).into_string();
        assert_eq!(marked(b"an <error>", "<e|r>"), "an <mark>&lt;e</mark>rro<mark>r&gt;</mark>");
        assert_eq!(marked(b"plain", "x*"), "plain");
        assert_eq!(marked("ü".as_bytes(), r"(?-u)\xbc"), "ü");
    }
}
