//! What may happen to a server, in any order.

use super::rig::Storing;
use builder_proto::time::Period;
use proptest::prelude::*;
use std::collections::BTreeSet;

pub(super) const NAMES: [&str; 4] = ["a", "b", "c", "d"];
pub(super) const PLATFORMS: [&str; 3] = ["p", "q", "r"];

/// What a client asks for.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Schedule(&'static str, &'static str, Period),
    ScheduleOrbBuild(&'static str, Period),
    Unschedule(&'static str),
    Execute(&'static str, Option<&'static str>),
    Reschedule(&'static str, u32, Option<Period>),
    DropPlatform(&'static str),
    UndropPlatform(&'static str),
}

/// What happens next. Numbers choose among what there is at that time.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Ask(Request),
    Templates(BTreeSet<&'static str>),
    Worker(&'static str),
    Print(usize),
    Finish(usize, Storing),
    /// The disk has caught up with everything.
    Release,
    LoseRunning(usize),
    /// A worker comes, and is gone as soon as it has a job.
    DropJob(&'static str),
    LoseWaiting(usize),
    Pass(u32),
    /// Time passes while the machine is busy with something else.
    Sleep(u32),
    WriteBack,
    Rotate,
    EndTurn,
    /// So many records on their way survive.
    Crash(usize),
}

fn request() -> impl Strategy<Value = Request> {
    let name = || prop::sample::select(&NAMES[..]);
    let platform = || prop::sample::select(&PLATFORMS[..]);
    let periods = [Period::Hourly, Period::Daily, Period::Weekly, Period::Never];
    let period = move || prop::sample::select(periods.to_vec());
    prop_oneof![
        6 => (name(), platform(), period()).prop_map(|(name, on, period)| Request::Schedule(name, on, period)),
        3 => (name(), period()).prop_map(|(name, period)| Request::ScheduleOrbBuild(name, period)),
        3 => name().prop_map(Request::Unschedule),
        3 => (name(), prop::option::of(platform())).prop_map(|(name, on)| Request::Execute(name, on)),
        2 => (name(), 0..200_u32, prop::option::of(period()))
            .prop_map(|(name, minutes, period)| Request::Reschedule(name, minutes, period)),
        1 => platform().prop_map(Request::DropPlatform),
        1 => platform().prop_map(Request::UndropPlatform),
    ]
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let platform = || prop::sample::select(&PLATFORMS[..]);
    let storing = [Storing::InLog, Storing::InFile, Storing::Failing, Storing::Held];
    prop_oneof![
        19 => request().prop_map(Event::Ask),
        3 => prop::collection::btree_set(platform(), 0..3).prop_map(Event::Templates),
        8 => platform().prop_map(Event::Worker),
        2 => any::<usize>().prop_map(Event::Print),
        5 => (any::<usize>(), prop::sample::select(storing.to_vec()))
            .prop_map(|(number, storing)| Event::Finish(number, storing)),
        2 => Just(Event::Release),
        4 => any::<usize>().prop_map(Event::LoseRunning),
        4 => platform().prop_map(Event::DropJob),
        1 => any::<usize>().prop_map(Event::LoseWaiting),
        2 => (0..150_u32).prop_map(Event::Pass),
        4 => (0..150_u32).prop_map(Event::Sleep),
        1 => Just(Event::WriteBack),
        1 => Just(Event::Rotate),
        8 => Just(Event::EndTurn),
        3 => (0..10_usize).prop_map(Event::Crash),
    ]
}
