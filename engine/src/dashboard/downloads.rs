//! Consoles and artifacts that pass by on their way to browsers, and are never held whole.

use super::collect::query_of;
use super::http::{Stream, date};
use super::limits::{DOWNLOAD_BYTES, DOWNLOADS};
use super::machine::{Dashboard, Task, Wanted};
use super::site::{Refusal, Site};
use super::talks::{ArtifactDownload, Purpose, TextDownload};
use crate::Now;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::{Artifact, Build};
use builder_proto::text::Text;

impl<S: Site> Dashboard<S> {
    /// A browser wants to have something that is not held whole.
    pub(super) fn want_download(&mut self, now: Now, connection: u64, wanted: Wanted) {
        self.set_task(connection, Task::Download(wanted));
        self.waiting_downloads.push_back(connection);
        self.begin_downloads(now);
    }

    /// Begins those that there is room for.
    pub(super) fn begin_downloads(&mut self, now: Now) {
        while self.talks.downloads() < DOWNLOADS {
            let Some(connection) = self.waiting_downloads.pop_front() else { return };
            let Some(Task::Download(wanted)) = self.visitors.get(&connection).map(|visitor| &visitor.task)
            else {
                continue;
            };
            match wanted.clone() {
                Wanted::Text(uuid) => {
                    let purpose = Purpose::TextEnd { connection, uuid, builds: Vec::new() };
                    self.ask(now, Command::History(query_of(uuid)), purpose)
                }
                Wanted::Artifact(uuid, path) => {
                    let command = Command::Fetch { uuid, path: Some(path.clone()), skip: 0, offset: 0 };
                    let artifact = ArtifactDownload { connection, path, has_begun: false };
                    self.ask(now, command, Purpose::Artifact(artifact))
                }
            };
        }
    }

    /// It is known whether the build has ended; now its console is asked for.
    pub(super) fn begin_text(&mut self, now: Now, connection: u64, uuid: Uuid, builds: &[Build]) {
        let has_result = builds.first().is_some_and(|build| build.end.is_some());
        let text = TextDownload { connection, has_result, has_begun: false, held: None };
        self.ask(now, Command::Console(uuid), Purpose::Text(text));
    }

    /// A line on its way.
    pub(super) fn pass_line(&mut self, now: Now, text: &mut TextDownload, line: Text) {
        self.begin_text_stream(now, text);
        let line = if text.has_result { text.held.replace(line) } else { Some(line) };
        if let (Some(line), Some(visitor)) = (line, self.visitors.get_mut(&text.connection)) {
            visitor.http.push(now.monotonic, [line.as_bytes(), b"\n"].concat().into());
            self.concerned.insert(text.connection);
        }
    }

    fn begin_text_stream(&mut self, now: Now, text: &mut TextDownload) {
        if !core::mem::replace(&mut text.has_begun, true) {
            let content_type = "text/plain; charset=utf-8".to_owned();
            let headers = vec![("Date", date(now.wall))];
            let stream = Stream { content_type, headers, length: None, etag: None };
            self.begin_stream(now, text.connection, stream);
        }
    }

    /// The artifact is there; its content follows. Below a path that names a directory, there are others.
    pub(super) fn pass_artifact(
        &mut self,
        now: Now,
        download: &mut ArtifactDownload,
        artifact: &Artifact,
    ) -> Result<(), Refusal> {
        if download.has_begun || trimmed(&artifact.path) != trimmed(&download.path) {
            return Err(Refusal::Refused("this is a directory; choose one of the artifacts in it".into()));
        }
        download.has_begun = true;
        let name = artifact.path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let stream = Stream {
            // Whatever it is, no browser is to take it for a page.
            content_type: "application/octet-stream".to_owned(),
            headers: vec![("Date", date(now.wall)), ("Content-Disposition", disposition(name))],
            length: Some(artifact.size),
            etag: artifact.sha256.map(|digest| digest.to_string()),
        };
        self.begin_stream(now, download.connection, stream);
        Ok(())
    }

    /// Content on its way.
    pub(super) fn pass_content(&mut self, now: Now, connection: u64, bytes: &[u8]) {
        if let Some(visitor) = self.visitors.get_mut(&connection) {
            visitor.http.push(now.monotonic, bytes.to_vec().into());
            self.concerned.insert(connection);
        }
    }

    /// Whether a browser still wants to have more. It may have asked only for what stands above, or have the rest already.
    pub(super) fn is_downloading(&self, connection: u64) -> bool {
        self.visitors.get(&connection).is_some_and(|visitor| matches!(visitor.task, Task::Download(_)))
    }

    fn begin_stream(&mut self, now: Now, connection: u64, stream: Stream) {
        let Some(visitor) = self.visitors.get_mut(&connection) else { return };
        if !visitor.http.begin_stream(now.monotonic, stream) {
            visitor.task = Task::Idle;
        }
        self.concerned.insert(connection);
        self.count_answer(200);
    }

    /// Has the server wait while the browser has enough to take.
    pub(super) fn pace_download(&mut self, now: Now, connection: u64) {
        let Some(visitor) = self.visitors.get(&connection) else { return };
        if let Some(question) = self.talks.of_download(connection) {
            let has_enough = visitor.http.queued_bytes() >= DOWNLOAD_BYTES;
            self.talks.set_paused(now.monotonic, question, has_enough);
        }
    }

    /// A console has passed by, or why it has not.
    pub(super) fn end_text(&mut self, now: Now, mut text: TextDownload, outcome: Result<(), Refusal>) {
        if outcome.is_ok() {
            self.begin_text_stream(now, &mut text);
        }
        self.end_download(now, text.connection, text.has_begun, outcome);
    }

    /// An artifact has passed by, or why it has not.
    pub(super) fn end_artifact(
        &mut self,
        now: Now,
        download: &ArtifactDownload,
        outcome: Result<(), Refusal>,
    ) {
        let outcome = match outcome {
            Ok(()) if !download.has_begun => Err(Refusal::Refused("there is no such artifact".into())),
            outcome => outcome,
        };
        self.end_download(now, download.connection, download.has_begun, outcome);
    }

    /// What has begun can only be completed or cut off.
    pub(super) fn end_download(
        &mut self,
        now: Now,
        connection: u64,
        has_begun: bool,
        outcome: Result<(), Refusal>,
    ) {
        if self.is_downloading(connection)
            && let Some(visitor) = self.visitors.get_mut(&connection)
        {
            match outcome {
                Err(refusal) if !has_begun => {
                    let response = self.site.refuse(&refusal);
                    self.respond(now, connection, response);
                }
                Err(_) => visitor.http.abort(),
                Ok(()) => visitor.http.end_stream(now.monotonic),
            }
            self.set_task(connection, Task::Idle);
            self.serve(now, connection);
        }
        self.begin_downloads(now);
    }
}

/// A path without what means nothing in it, as the server reads it.
fn trimmed(path: &Text) -> &[u8] {
    let mut path = path.as_bytes();
    while let Some(rest) = path.strip_prefix(b"./") {
        path = rest;
    }
    path.strip_suffix(b"/").unwrap_or(path)
}

/// Has a browser store a file, under this name as far as it may have one.
fn disposition(name: &[u8]) -> String {
    let plain: String = name
        .iter()
        .map(|byte| match byte {
            b'"' | b'\\' | b'%' => '_',
            0x20..=0x7e => char::from(*byte),
            _ => '_',
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", super::http::percent_encode(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place() {
        assert_eq!(disposition(b"a b.tar"), "attachment; filename=\"a b.tar\"; filename*=UTF-8''a%20b.tar");
        assert_eq!(
            disposition(b"\"\r\n\xff"),
            "attachment; filename=\"____\"; filename*=UTF-8''%22%0D%0A%FF"
        );
    }

    #[test]
    fn what_means_nothing_in_a_path_means_nothing() {
        for path in ["a/b", "./a/b", "././a/b", "a/b/"] {
            assert_eq!(trimmed(&path.into()), b"a/b", "{path}");
        }
    }
}
