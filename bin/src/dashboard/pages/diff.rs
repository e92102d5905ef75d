//! What is different between two builds.

use super::build::{known_siblings, siblings_needs};
use super::context::Context;
use super::frame::{Frame, html_response};
use super::problem::{Problem, known};
use super::words::{Count, Number, away};
use crate::comparison::lines::{Comparison, Difference, Hunk, Origin, Side};
use crate::comparison::{self, Artifacts, Change};
use crate::dashboard::outcome::outcome;
use crate::wording::{Size, shortened_uuid};
use builder_engine::dashboard::colours;
use builder_engine::dashboard::http::Response;
use builder_engine::dashboard::site::{Answers, Console, Details, Need, Refusal, Window};
use builder_proto::Uuid;
use builder_proto::history::{Artifact, Build};
use maud::{Markup, html};

/// How many lines of each console are compared: the last ones, as it is there that builds fail.
const LINES: usize = 10_000;
/// How many lines of differences are shown.
const SHOWN: usize = 2000;
/// How many artifacts are shown of each kind.
const ARTIFACTS: usize = 200;

pub(super) fn needs(uuid: Uuid, with: Option<Uuid>, answers: &Answers) -> Vec<Need> {
    let mut needs = vec![Need::Snapshot, Need::Details(uuid)];
    let Some(Ok(details)) = answers.details(uuid) else { return needs };
    needs.extend(siblings_needs(&details.build, answers));
    if needs.iter().all(|need| answers.get(need).is_some()) || with.is_some() {
        let other = with.or_else(|| usual(&details.build, answers).map(Build::uuid));
        for uuid in other.map(|other| [uuid, other]).into_iter().flatten() {
            needs.extend([Need::Details(uuid), Need::Console(uuid, Window::Last(LINES))]);
        }
    }
    needs
}

/// The builds before this one that it may be compared with: the last one, and the last one that succeeded.
fn candidates<'a>(build: &Build, answers: &'a Answers) -> [Option<&'a Build>; 2] {
    let siblings = known_siblings(build, answers);
    let behind =
        siblings.iter().position(|other| other.uuid == build.uuid).map_or(siblings.len(), |index| index + 1);
    let before = || siblings.iter().skip(behind).filter(|build| build.end.is_some());
    [before().next(), before().find(|build| !build.has_failed())]
}

/// What builder-client compares with, too: if the build failed, the last one that succeeded, or else the last one.
fn usual<'a>(build: &Build, answers: &'a Answers) -> Option<&'a Build> {
    let [last, success] = candidates(build, answers);
    success.filter(|_| build.has_failed()).or(last)
}

struct Shown<'a> {
    context: &'a Context<'a>,
    old: &'a Details,
    new: &'a Details,
}

pub(super) fn render(context: &Context<'_>, uuid: Uuid, with: Option<Uuid>) -> Result<Response, Problem> {
    let new = known(context.answers.details(uuid))?;
    let Some(other) = with.or_else(|| usual(&new.build, context.answers).map(Build::uuid)) else {
        return Err(Problem::unknown(
            format!("No build of {} on {} ended before this one.", new.build.job, new.build.platform),
            "Name the other build: add ?with=UUID to the address.",
        ));
    };
    let old = known(context.answers.details(other))?;
    let shown = Shown { context, old, new };
    let frame = Frame {
        snapshot: context.snapshot_if_known(),
        now: Some(context.now),
        job: Some(&new.build.job),
        ..Frame::new(context.links, context.title)
    };
    let title = format!("{}: what is different in {}", new.build.job, shortened_uuid(uuid, 8));
    Ok(html_response(200, frame.page(&title, shown.contents())))
}

impl Shown<'_> {
    fn builds(&self) -> [&Build; 2] {
        [&self.old.build, &self.new.build]
    }

    fn contents(&self) -> Markup {
        let mut changes = comparison::environment(self.builds());
        changes.extend(comparison::cause(self.builds()));
        let script = comparison::script(self.builds(), [self.old.job.as_ref(), self.new.job.as_ref()]);
        html! {
            p.kind {
                "Build of "
                a href=(self.context.links.job(&self.new.build.job)) { (self.new.build.job) }
            }
            h1 { "What is different" }
            (self.choices())
            div.versus {
                (self.build(&self.old.build, "Old", "−"))
                (self.build(&self.new.build, "New", "+"))
            }
            section aria-labelledby="result-title" {
                h2 #result-title { "Environment and result" }
                (changes_table(&changes))
            }
            section aria-labelledby="script-title" { h2 #script-title { "Script" } (lines(&script)) }
            section aria-labelledby="artifacts-title" { h2 #artifacts-title { "Artifacts" } (self.artifacts()) }
            section aria-labelledby="console-title" { h2 #console-title { "Console" } (self.console()) }
            p.aside {
                "All of it: " code { "builder-client diff " (self.old.build.uuid()) " " (self.new.build.uuid()) }
            }
        }
    }

    /// What else it may be compared with.
    fn choices(&self) -> Markup {
        let links = self.context.links;
        let uuid = self.new.build.uuid();
        let names = ["With the build before", "With the last success before"];
        let [last, success] = candidates(&self.new.build, self.context.answers);
        let success = success.filter(|success| last.is_none_or(|last| last.uuid != success.uuid));
        let chips = [last, success].into_iter().zip(names).filter_map(|(build, name)| Some((build?, name)));
        html! {
            nav.chips aria-label="Compare" {
                ul {
                    @for (build, name) in chips {
                        @let is_here = build.uuid == self.old.build.uuid;
                        li {
                            a href=(links.diff_with(uuid, build.uuid())) aria-current=[is_here.then_some("page")] { (name) }
                        }
                    }
                    li { a href=(links.diff_with(self.old.build.uuid(), uuid)) { "Swap" } }
                }
            }
        }
    }

    fn build(&self, build: &Build, name: &str, sign: &str) -> Markup {
        html! {
            div {
                p.kind { (sign) " " (name) }
                p {
                    a href=(self.context.links.build(build.uuid())) { code { (shortened_uuid(build.uuid(), 8)) } }
                    " " (outcome(build))
                }
                p.aside { (build.platform) ", " (away(build.started, self.context.now)) }
            }
        }
    }

    fn artifacts(&self) -> Markup {
        if let Some(build) = self
            .builds()
            .into_iter()
            .find(|build| build.end.as_ref().is_some_and(|end| end.removed.is_some()))
        {
            return unknown(&comparison::without(build, "artifacts"));
        }
        let compared = Artifacts::compare(self.old.artifacts.clone(), self.new.artifacts.clone());
        let one = |artifact: &Artifact| html! { (artifact.path) span.aside { " " (Size(artifact.size)) } };
        html! {
            @if compared.has_differences() {
                ul.changes {
                    @for artifact in compared.removed.iter().take(ARTIFACTS) {
                        li.old { span.sign { "− removed" } " " (one(artifact)) }
                    }
                    @for artifact in compared.added.iter().take(ARTIFACTS) {
                        li.new { span.sign { "+ added" } " " (one(artifact)) }
                    }
                    @for [old, new] in compared.changed.iter().take(ARTIFACTS) {
                        li { span.sign { "≠ changed" } " " (old.path) span.aside { " " (size_change(old, new)) } }
                    }
                }
                (self.artifacts_left_out(&compared))
            }
            (artifacts_alike(&compared))
        }
    }

    fn artifacts_left_out(&self, compared: &Artifacts) -> Markup {
        let lengths = [compared.removed.len(), compared.added.len(), compared.changed.len()];
        let left_out: usize = lengths.iter().map(|length| length.saturating_sub(ARTIFACTS)).sum();
        html! { @if left_out > 0 { p.message { (Number(left_out as u64)) " more are not shown." } } }
    }

    fn console(&self) -> Markup {
        let consoles = self.builds().map(|build| {
            self.context
                .answers
                .console(build.uuid(), &Window::Last(LINES))
                .map_or(Err(Refusal::Unreachable("It has not answered.".to_owned())), |answer| {
                    answer.map_err(Clone::clone)
                })
        });
        match consoles {
            [Ok(old), Ok(new)] => html! {
                @if [old, new].iter().any(|console| (console.lines.len() as u64) < console.total) {
                    p.message { "! Long: of each console, the last " (Number(LINES as u64)) " lines are compared." }
                }
                (lines(&compare(old, new)))
            },
            [Err(Refusal::Refused(_)), _] => unknown(&comparison::without(&self.old.build, "console")),
            [_, Err(Refusal::Refused(_))] => unknown(&comparison::without(&self.new.build, "console")),
            [Err(refusal), _] | [_, Err(refusal)] => Problem::of(&refusal).message(),
        }
    }
}

fn compare(old: &Console, new: &Console) -> Comparison {
    let side = |console: &Console| Side {
        lines: console.lines.iter().map(|line| line.text.clone()).collect(),
        before: console.total.saturating_sub(console.lines.len() as u64),
        total: console.total,
    };
    let [old, new] = [old, new].map(side);
    if old == new {
        return Comparison::Same(old.total);
    }
    match Difference::between([old, new], None, LINES) {
        Ok(difference) => Comparison::Different(difference),
        Err(_) => Comparison::Unknown("they are too long".to_owned()),
    }
}

fn changes_table(changes: &[Change]) -> Markup {
    html! {
        @if changes.is_empty() {
            p.aside { "✓ The same." }
        } @else {
            table {
                thead { tr { th scope="col" { "What" } th scope="col" { "− Old" } th scope="col" { "+ New" } } }
                tbody {
                    @for Change { name, values: [old, new] } in changes {
                        tr { th scope="row" { (name) } td.old { (old) } td.new { (new) } }
                    }
                }
            }
        }
    }
}

fn unknown(reason: &str) -> Markup {
    html! { p.message.warn { "! Not compared: " (reason) "." } }
}

fn lines(comparison: &Comparison) -> Markup {
    match comparison {
        Comparison::Same(0) => html! { p.aside { "✓ The same: both are empty." } },
        Comparison::Same(lines) => html! { p.aside { "✓ The same, " (Count(*lines, "line", "lines")) "." } },
        Comparison::Unknown(reason) => unknown(reason),
        Comparison::Different(difference) => different(difference),
    }
}

fn different(difference: &Difference) -> Markup {
    let [removed, added] = difference.counts();
    let mut room = SHOWN;
    let mut shown = Vec::new();
    let mut left_out = 0;
    for hunk in difference.hunks() {
        match room.checked_sub(hunk.lines().count()) {
            Some(rest) => {
                room = rest;
                shown.push(hunk);
            }
            None if shown.is_empty() => {
                room = 0;
                shown.push(hunk);
            }
            None => left_out += 1,
        }
    }
    html! {
        p.aside { "− " (Count(removed, "line", "lines")) ", + " (Count(added, "line", "lines")) }
        @for hunk in &shown { (hunk_table(hunk)) }
        @if left_out > 0 { p.message { "! Too long: " (Count(left_out, "further place is", "further places are")) " not shown." } }
    }
}

/// The lines of one place. A long one is cut.
fn hunk_table(hunk: &Hunk<'_>) -> Markup {
    let [old, new] = hunk.places();
    let mut numbers = [old.start, new.start];
    let total = hunk.lines().count();
    html! {
        div.hunk {
            p.place { "line " (Number(old.start)) " → " (Number(new.start)) }
            @for (origin, line) in hunk.lines().take(SHOWN) {
                @let (class, sign) = match origin {
                    Origin::Both => ("l", " "),
                    Origin::Old => ("l old", "−"),
                    Origin::New => ("l new", "+"),
                };
                @let [old, new] = step(&mut numbers, origin);
                div class=(class) {
                    i { (old) } i { (new) } b { (sign) }
                    code { (colours::text(line.as_bytes())) }
                }
            }
            @if total > SHOWN { p.message { "! Too long: " (Number((total - SHOWN) as u64)) " further lines are not shown." } }
        }
    }
}

/// What is to be said of artifacts that differ in nothing that is known.
fn artifacts_alike(compared: &Artifacts) -> Markup {
    let Artifacts { same, same_size, .. } = *compared;
    let sign = if compared.has_differences() || same_size > 0 { "" } else { "✓ " };
    html! {
        @if same > 0 || !sign.is_empty() {
            p.aside {
                (sign)
                @if same > 0 { (Count(same, "artifact is", "artifacts are")) " the same." } @else { "Neither build left any." }
            }
        }
        @if same_size > 0 {
            p.aside { "Of " (Count(same_size, "artifact", "artifacts")) " nothing is known but the size, which is the same." }
        }
    }
}

/// The numbers of a line in the texts in which it is.
fn step(numbers: &mut [u64; 2], origin: Origin) -> [String; 2] {
    let [old, new] = numbers;
    let take = |number: &mut u64| {
        *number += 1;
        (*number - 1).to_string()
    };
    match origin {
        Origin::Both => [take(old), take(new)],
        Origin::Old => [take(old), String::new()],
        Origin::New => [String::new(), take(new)],
    }
}

fn size_change(old: &Artifact, new: &Artifact) -> Markup {
    html! {
        @if old.size == new.size { (Size(old.size)) ", other content" }
        @else { (Size(old.size)) " → " (Size(new.size)) }
    }
}
