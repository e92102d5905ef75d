//! What the server knows of a build before its artifacts are fetched.

use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::command_line::Address;
use builder_proto::Uuid;
use builder_proto::command::{Command, Kind};
use builder_proto::history::Artifact;
use builder_proto::text::Text;

/// Bytes of paths that are held, and what an artifact takes besides. No server of ours sends a longer list.
const LIST_BYTES: usize = 16 * 1024 * 1024;
const ARTIFACT_BYTES: usize = 128;

/// What is known of a build.
#[derive(Debug, Default)]
pub(super) struct Details {
    /// The name of its job.
    pub(super) job: Option<Text>,
    /// Its artifacts, in the order in which they are stored; none when there are too many, or nobody knows them.
    pub(super) artifacts: Option<Vec<Artifact>>,
}

impl Details {
    /// Asks. A build that the server does not remember may be stored all the same, as one that it has not taken in yet.
    pub(super) fn ask(remote: &Address, uuid: Uuid) -> Result<Details, ClientError> {
        let question = Command::Details(uuid);
        let mut connection = Connection::open(remote, Kind::Details)?;
        connection.tell(&question)?;
        let (mut details, mut list, mut count, mut bytes) = (Details::default(), Vec::new(), None, 0);
        loop {
            match connection.receive_answer(&question) {
                Ok(None) => break,
                Ok(Some(Command::Build(build))) => {
                    count = build.end.map(|end| end.artifacts);
                    details.job = Some(build.job);
                }
                Ok(Some(Command::JobSchedule { .. })) => {}
                Ok(Some(Command::Artifact(artifact))) => {
                    bytes += artifact.path.as_bytes().len() + ARTIFACT_BYTES;
                    if bytes > LIST_BYTES {
                        log::info!("the list of artifacts is longer than {LIST_BYTES} bytes");
                        return Ok(details);
                    }
                    list.push(artifact);
                }
                Ok(Some(other)) => return Err(connection.refusal(&question, other)),
                Err(error @ ClientError::Refused { .. }) if !error.is_busy() => {
                    log::info!("the server does not tell what build {uuid} is: {error}");
                    return Ok(Details::default());
                }
                Err(error) => return Err(error),
            }
        }
        if count == Some(list.len() as u64) {
            details.artifacts = Some(list);
        }
        Ok(details)
    }
}
