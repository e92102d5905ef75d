//! What builder 0.4.0 leaves behind, for a server that takes over from it.

use crate::environment::Environment;
use builder_proto::command::Command;
use builder_proto::job::{Job, ScheduleItem, ScriptJob};
use builder_proto::state_file::{StateFile, StateItem};
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use builder_tests::world::Random;

/// Stands for whoever gave the old server its commands.
const NOBODY: u64 = 0;
/// Long before the server starts.
const LONG_AGO: Time = Time::from_unix_milliseconds(1_700_000_000_000);

/// Leaves a state file with some jobs, each of which waits, and has the model know of them.
pub(crate) fn leave_state(environment: &Environment, random: &mut Random) {
    let mut items = Vec::new();
    for number in 0..random.below(environment.plan.jobs) {
        let platform = Text::from(format!("platform-{}", number % environment.plan.platforms));
        let script = format!("#!/bin/sh\n# {}", random.number()).into();
        let job = ScriptJob { name: format!("job-{number}").into(), script, platform: platform.clone() };
        let period = *random.pick(&[Period::Weekly, Period::Daily]);
        let mut model = environment.model.borrow_mut();
        if model.begin(NOBODY, &Command::Schedule { period, job: job.clone() }) {
            model.imported(NOBODY);
        }
        let job = Job::Script(job);
        items.push(StateItem::Schedule(ScheduleItem { next: LONG_AGO, period, job: job.clone() }));
        items.push(StateItem::Queue { platform, jobs: vec![job] });
    }
    let bytes = StateFile { items }.encode().unwrap();
    environment.disk.borrow_mut().put("state", &bytes);
}
