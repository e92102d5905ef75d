//! Builds whose worker is lost: whether the job runs again.

use crate::limits::LOSSES_IN_A_ROW;
use crate::server::dispatcher::Row;
use crate::server::settings::Templates;
use crate::server::state::State;
use builder_proto::Uuid;

/// How a worker is lost that runs a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss<'a> {
    /// It is gone, for this reason; the job runs again unless that happens too often.
    Gone(&'a str),
    /// Its connection stands, but it has said nothing in all the time that the job had, as these words say: a loss as well,
    /// but one that takes so long that three of them have to do.
    Unheard(&'a str),
}

/// What becomes of the job of a lost build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It waits for its schedule.
    Fails,
    /// It goes to the front of its queue.
    RunsAgain,
    /// It goes to the end of its queue.
    RunsAgainLater,
}

/// What becomes of the job of a lost build, and what people are told.
///
/// `row` is there when nothing came from the worker: the losses in a row on the platform. Nobody can tell then whether the
/// job ended its worker or the worker never began, so that a job that has not run could be stored as failed. What other
/// jobs come to shows it: the job gives way to them, once it has had its turns, unless there are none, or unless
/// one was delivered just before. After a start nothing was delivered yet, so that the first loss shows nothing at all.
pub(crate) fn judge(
    state: &State,
    templates: &Templates,
    uuid: Uuid,
    reason: &str,
    row: Option<Row>,
) -> (String, Fate) {
    let Some(build) = state.running.get(&uuid) else { return (reason.to_owned(), Fate::Fails) };
    let (name, platform) = (build.script.name(), &build.platform);
    if state.runnable(name, platform).is_none() {
        let text = format!("worker lost: {reason}; the job is no longer scheduled on {platform}");
        return (text, Fate::Fails);
    }
    let losses = state.losses(name, platform) + 1;
    if losses < LOSSES_IN_A_ROW {
        return (format!("worker lost: {reason}; the job was queued again"), Fate::RunsAgain);
    }
    let has_template = templates.contains_key(platform);
    let queue = state.queues.get(platform);
    let others_wait = || queue.is_some_and(|queue| queue.has_others(name, has_template));
    let is_undecided = |row: Row| match row.losses {
        0 | 1 => row.is_unproven,
        losses => losses > LOSSES_IN_A_ROW || others_wait(),
    };
    if row.is_some_and(is_undecided) {
        let text = format!(
            "worker lost: {reason}; nothing shows whether the job or the workers of {platform} are to blame, so the \
             job was queued again behind the others"
        );
        return (text, Fate::RunsAgainLater);
    }
    (format!("worker lost {losses} times in a row, last: {reason}"), Fate::Fails)
}
