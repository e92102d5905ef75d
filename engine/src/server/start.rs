//! What a server is handed at its beginning.

use crate::server::settings::{Settings, Templates};
use crate::server::state::State;
use crate::server::uploads::UploadSettings;
use builder_proto::Uuid;
use std::collections::BTreeSet;

/// All that a server knows when it starts.
pub struct Start {
    /// What the flags decide.
    pub settings: Settings,
    /// The state as the log has it: [`Recovered::state`](crate::server::Recovered::state), or an empty one.
    pub state: State,
    /// Names for builds, never the same twice, over restarts too. When it runs dry, jobs stay queued.
    pub uuids: Box<dyn Iterator<Item = Uuid>>,
    /// The templates as they are now; [`Input::Templates`](crate::server::Input::Templates) hands in later ones.
    pub templates: Templates,
    /// Where results are uploaded. Without it they stay where they are stored, and what waits for an upload goes on waiting.
    pub uploads: Option<UploadSettings>,
    /// Whether a program is to be told of builds that finish. Without one, what waits for that goes on waiting.
    pub notices: bool,
    /// The builds among [`State::unfinished`] whose result file is in place, durably.
    pub stored: BTreeSet<Uuid>,
    /// Builds whose results the log held and that are now durable in their files: those of
    /// [`Recovered::pending`](crate::server::Recovered::pending) that were written and synced.
    pub written_back: Vec<Uuid>,
}
