//! One build: what was said of it on the network, and what its result has to say.

use builder_proto::build_result::BuildResult;
use builder_proto::execution::Execution;
use builder_proto::job::{File, ScriptJob};
use builder_proto::text::Text;
use std::time::Duration;

/// A build as the network saw it.
#[derive(Debug)]
pub(super) struct Build {
    job: ScriptJob,
    handed_out: Duration,
    /// Lines that the worker sent, each with the place in the stream where its message ends.
    lines: Vec<(Text, usize)>,
    /// The result that the worker sent.
    finished: Option<(BuildResult, Vec<File>)>,
    /// Whether a byte came from the worker.
    heard: bool,
    /// Whether its job may say how long it may take. Then that counts, whatever the worker does.
    may_have_limit: bool,
    /// Whether the worker said what no worker says.
    broken: bool,
    /// Bytes that the server had read when the connection ended; none while it stands.
    read_at_end: Option<usize>,
    /// Whether the server crashed after it had handed out the build.
    crashed: bool,
    /// Whether somebody was told that it is cancelled.
    cancelled: bool,
    /// Whether the server closed the connection to say that the result is stored.
    acknowledged: bool,
    /// What observers were told last, and after how many lines.
    closings: Vec<(Text, usize)>,
}

impl Build {
    /// A build that was just handed out, whose job may say how long it may take, or does not.
    pub(super) fn new(handed_out: Duration, job: ScriptJob, may_have_limit: bool) -> Build {
        Build {
            job,
            handed_out,
            lines: Vec::new(),
            finished: None,
            heard: false,
            may_have_limit,
            broken: false,
            read_at_end: None,
            crashed: false,
            cancelled: false,
            acknowledged: false,
            closings: Vec::new(),
        }
    }

    pub(super) fn job(&self) -> &ScriptJob {
        &self.job
    }

    pub(super) fn is_acknowledged(&self) -> bool {
        self.acknowledged
    }

    pub(super) fn handed_out(&self) -> Duration {
        self.handed_out
    }

    /// Unless its connection was over by then.
    pub(super) fn server_crashed(&mut self) {
        self.crashed |= self.read_at_end.is_none();
    }

    pub(super) fn printed(&mut self, line: Text, end: usize) {
        if !self.broken && self.finished.is_none() {
            self.lines.push((line, end));
        }
    }

    /// The server has read something that the worker said.
    pub(super) fn hear(&mut self) {
        self.heard = true;
    }

    pub(super) fn finish(&mut self, result: BuildResult, output: Vec<File>) {
        if !self.broken && self.finished.is_none() {
            self.finished = Some((result, output));
        }
    }

    pub(super) fn break_off(&mut self) {
        if self.finished.is_none() {
            self.broken = true;
        }
    }

    pub(super) fn connection_over(&mut self, read: usize) {
        self.read_at_end.get_or_insert(read);
    }

    /// Somebody was told that it is cancelled.
    pub(super) fn cancel(&mut self) {
        self.cancelled = true;
    }

    /// The server ended the conversation in order.
    pub(super) fn acknowledge(&mut self) -> Result<(), String> {
        if self.finished.is_none() {
            return Err("a worker was dismissed before it had sent its result".to_owned());
        }
        self.acknowledged = true;
        Ok(())
    }

    pub(super) fn observed_line(&self, number: usize, line: &Text) -> Result<(), String> {
        match self.lines.get(number) {
            Some((printed, _)) if printed == line => Ok(()),
            printed => Err(format!("an observer was sent {line} as line {number} instead of {printed:?}")),
        }
    }

    pub(super) fn observed_closing(&mut self, words: Text, lines: usize) {
        self.closings.push((words, lines));
    }

    /// Says whether the job is done with this result.
    pub(super) fn check(&self, stored: &Execution) -> Result<bool, String> {
        if stored.job != self.job {
            return Err(format!("it ran {:?}, but was handed out as {:?}", stored.job, self.job));
        }
        if stored.result.last_line().is_some() && stored.printed().len() == stored.console.len() {
            return Err("its console does not say how it ended".to_owned());
        }
        if self.cancelled && !stored.result.to_string().contains(CANCELLED) {
            return Err(format!(
                "it says {}, although somebody was told that it is cancelled",
                stored.result
            ));
        }
        let printed = self.lines.iter().map(|(line, _)| line);
        let lines = stored.printed().iter().map(|line| &line.line);
        self.check_closings(stored)?;
        if let Some((result, output)) = &self.finished
            && (stored.result == *result && stored.output == *output)
        {
            return match lines.eq(printed) {
                true => Ok(true),
                false => Err(format!(
                    "it is complete except for its console: {} lines of {}",
                    stored.printed().len(),
                    self.lines.len()
                )),
            };
        }
        if self.acknowledged {
            return Err(format!("it says {}, but the worker's result was acknowledged", stored.result));
        }
        if !stored.output.is_empty() {
            return Err("it has artifacts that the worker did not send like this".to_owned());
        }
        if !printed.take(stored.printed().len()).eq(lines) {
            return Err("its console is not what the worker printed".to_owned());
        }
        let reason = explanation(&stored.result)?;
        if reason.starts_with("timeout") && !self.heard && !self.may_have_limit {
            return Err("it says that the time was up, though not a byte had come from its worker".to_owned());
        }
        self.check_missing_lines(stored.printed().len(), &reason)?;
        Ok(!is_queued_again(&reason))
    }

    /// What observers were told in the end is what is stored. Only a crash can have cost lines since, which it says.
    fn check_closings(&self, stored: &Execution) -> Result<(), String> {
        let (result, lines) = (stored.result.to_string(), stored.printed().len());
        for (words, seen) in &self.closings {
            let words = words.to_string();
            let lost = lines <= *seen && result.starts_with(&words) && result.contains("the server stopped");
            if !lost && (words != result || lines != *seen) {
                return Err(format!(
                    "observers were told {words} after {seen} lines, but it has {result} after {lines}"
                ));
            }
        }
        Ok(())
    }

    /// Lines that the server had are only missing when the result says why that can be.
    fn check_missing_lines(&self, stored: usize, reason: &str) -> Result<(), String> {
        let explained = ["the server stopped", "the server could not"];
        if explained.iter().any(|words| reason.contains(words)) {
            return Ok(());
        }
        let silent = ["the peer closed the connection", "the connection failed"];
        let Some(read) = self.read_at_end.filter(|_| silent.iter().any(|words| reason.contains(words)))
        else {
            return Ok(());
        };
        let received = self.lines.iter().filter(|(_, end)| *end <= read).count();
        if stored == received {
            return Ok(());
        }
        Err(format!(
            "it has {stored} of the {received} lines that had been received (crashed: {}), and says nothing but: {reason}",
            self.crashed
        ))
    }
}

/// A build whose worker never heard of it was aborted with nothing on its console.
pub(super) fn check_unseen(stored: &Execution) -> Result<bool, String> {
    if !stored.printed().is_empty() || !stored.output.is_empty() {
        return Err("it holds something that no worker sent".to_owned());
    }
    Ok(!is_queued_again(&explanation(&stored.result)?))
}

/// How results of builds begin that somebody cancelled.
const CANCELLED: &str = "cancelled by ";

/// The words in which the server says why there is no more.
fn explanation(result: &BuildResult) -> Result<String, String> {
    let BuildResult::Message(reason) = result else {
        return Err(format!("it says {result}, which the worker did not say, or not with this"));
    };
    let reason = reason.to_string();
    let words = [
        "worker lost",
        "the server stopped",
        "the server could not",
        "timeout",
        "silence",
        "exceeds the limit",
        "the artifacts were not kept",
        CANCELLED,
    ];
    match words.iter().any(|words| reason.contains(words)) {
        true => Ok(reason),
        false => Err(format!("it gives no reason known to the model: {reason}")),
    }
}

/// Whether a result says that its job runs again.
pub(super) fn is_queued_again(reason: &str) -> bool {
    reason.contains("was queued again")
}
