//! Builds whose jobs say how long they may take: none takes longer, and none is ended before its time.

use builder_engine::server::record::Record;
use builder_proto::Uuid;
use builder_proto::job_settings::JobSettings;
use std::collections::BTreeMap;
use std::time::Duration;

/// A turn of the server takes time, too.
const TOLERANCE: Duration = Duration::from_secs(1);

/// The builds that run and whose settings are known for certain: when they were handed out.
#[derive(Debug, Default)]
pub(super) struct Limits(BTreeMap<Uuid, (Duration, JobSettings)>);

impl Limits {
    /// Takes note of a record; `settings` are those of the job of a build that is handed out.
    pub(super) fn recorded(
        &mut self,
        time: Duration,
        record: &Record,
        settings: Option<JobSettings>,
    ) -> Result<(), String> {
        match record {
            Record::Started(started) => {
                if let Some(settings) = settings {
                    self.0.insert(started.uuid.0, (time, settings));
                }
            }
            Record::Finished(finished) => drop(self.0.remove(&finished.uuid.0)),
            Record::Aborted(aborted) => {
                let uuid = aborted.uuid.0;
                let Some((started, settings)) = self.0.remove(&uuid) else { return Ok(()) };
                let limit = match aborted.reason.to_string().as_str() {
                    "timeout" => settings.timeout(),
                    "silence" if settings.silence.is_none() => {
                        return Err(format!(
                            "build {uuid} was ended for its silence, which its job may keep"
                        ));
                    }
                    "silence" => settings.silence(),
                    _ => None,
                };
                if limit.is_some_and(|limit| time < started + limit) {
                    let (reason, ran) = (&aborted.reason, time - started);
                    return Err(format!(
                        "build {uuid} was ended for {reason} after {ran:?} with {settings:?}"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A turn that began at `time` is over, and this build still runs.
    pub(super) fn check(&self, time: Duration, uuid: Uuid) -> Result<(), String> {
        let Some((started, settings)) = self.0.get(&uuid) else { return Ok(()) };
        match settings.timeout().is_some_and(|limit| time > *started + limit + TOLERANCE) {
            true => Err(format!("build {uuid} runs since {started:?}, with {settings:?}")),
            false => Ok(()),
        }
    }
}
