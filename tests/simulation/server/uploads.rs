//! Uploads, as in `bin/src/server/uploads.rs` and `uploader.rs`. The process that uploads is imaginary.

use super::{Server, Stop, results};
use crate::environment::{Environment, say};
use crate::queue::Event;
use crate::variant::Variant;
use builder_engine::server::{Input, Safety, UploadOutcome};
use builder_proto::Uuid;
use builder_proto::text::Text;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Uploader {
    wanted: Option<(Uuid, Text)>,
    running: Option<Uuid>,
    ended: Option<(Uuid, Ending)>,
}

/// How an upload ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    Done,
    Unavailable,
    Refused,
    Forbidden,
    Unauthorized,
    Missing,
}

impl Uploader {
    pub(super) fn want(&mut self, uuid: Uuid, name: Text) {
        self.wanted = Some((uuid, name));
    }

    /// Nothing wakes the server for what is wanted but its own settling.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.ended.as_ref().map(|_| Duration::ZERO)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.wanted.is_none() && self.running.is_none() && self.ended.is_none()
    }

    /// Starts what is wanted, if its file is safe. Gives the end of the upload when there is no file.
    fn start(
        &mut self,
        environment: &Environment,
        life: u64,
        safety: impl Fn(Uuid) -> Safety,
    ) -> Option<(Uuid, Ending)> {
        let (uuid, name) = self.wanted.take_if(|(uuid, _)| safety(*uuid) != Safety::Soon)?;
        if safety(uuid) == Safety::Stuck {
            return Some((uuid, Ending::Refused));
        }
        let Some(octets) =
            environment.disk.borrow().read(&results::result_path(&name, uuid)).map(<[u8]>::to_vec)
        else {
            return Some((uuid, Ending::Missing));
        };
        self.running = Some(uuid);
        let at = environment.host.time();
        let upload = environment.begin_upload(octets);
        say!(environment, "upload {uuid}: {:?}", upload.ending);
        environment.enter(
            at + upload.duration,
            Event::Uploaded { life, uuid, ending: upload.ending, octets: upload.octets },
        );
        None
    }
}

impl Server {
    /// The process that uploads has ended.
    pub(crate) fn upload_ended(&mut self, uuid: Uuid, ending: Ending) {
        if let Some(uploader) = &mut self.uploader {
            uploader.running = None;
            uploader.ended = Some((uuid, ending));
        }
    }

    pub(super) fn go_on_uploading(&mut self) -> Result<(), Stop> {
        let environment = self.environment.clone();
        let Some(uploader) = &mut self.uploader else { return Ok(()) };
        let settling = &self.settling;
        let ended = uploader
            .ended
            .take()
            .or_else(|| uploader.start(&environment, self.life, |uuid| settling.safety(uuid)));
        let Some((uuid, ending)) = ended else { return Ok(()) };
        let outcome = match ending {
            _ if environment.variant == Variant::FailedUploadBelieved => UploadOutcome::Done,
            Ending::Done => UploadOutcome::Done,
            Ending::Unavailable => UploadOutcome::Unavailable("it cannot be reached"),
            Ending::Refused => UploadOutcome::Refused("it does not like this one"),
            Ending::Forbidden => UploadOutcome::Forbidden("not this job of yours"),
            Ending::Unauthorized => UploadOutcome::Unauthorized("who are you"),
            Ending::Missing => UploadOutcome::Missing,
        };
        self.input(Input::UploadEnded { uuid, outcome }, &[])
    }
}
