//! The beginning of a server: what it is handed, and what it clears up before anything else happens.

use crate::Now;
use crate::limits::CLOCK_PATIENCE;
use crate::server::deadlines::Deadlines;
use crate::server::incomplete::Incomplete;
use crate::server::info::Answers;
use crate::server::pacing::Pacing;
use crate::server::uploads::Uploads;
use crate::server::{Server, Settings, State, Templates, UploadSettings};
use builder_proto::Uuid;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    /// The builds among [`State::unfinished`] whose result file is in place, durably.
    pub stored: BTreeSet<Uuid>,
    /// Builds whose results the log held and that are now durable in their files: those of
    /// [`Recovered::unsettled`](crate::server::Recovered::unsettled) that were written and synced.
    pub settled: Vec<Uuid>,
}

impl Server {
    /// A server that goes on from where the log ends. The first actions are there already: carry them out, then end the turn.
    ///
    /// Clears up what a crash or a stop left behind. Builds that were running go back to the front of their queues, the
    /// longest running first. What is left of their consoles, and of those of builds that had been aborted, is stored; the
    /// results say that it may not be all.
    pub fn start(now: Now, start: Start) -> Server {
        let Start { settings, state, uuids, templates, uploads, stored, settled } = start;
        let mut server = Server::new(now, settings, state, uuids, templates);
        server.record_settled(settled);
        server.start_uploads(uploads);
        server.recover(now, &stored);
        server
    }

    fn new(
        now: Now,
        settings: Settings,
        state: State,
        uuids: Box<dyn Iterator<Item = Uuid>>,
        templates: Templates,
    ) -> Server {
        Server {
            settings,
            uuids,
            state,
            templates,
            connections: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_turn: 0,
            builds: BTreeMap::new(),
            left_over: BTreeSet::new(),
            undispatched: BTreeSet::new(),
            dispatch_paused: false,
            is_busy: false,
            pacing: Pacing::default(),
            observers: BTreeSet::new(),
            unstorable: BTreeSet::new(),
            deadlines: Deadlines::default(),
            uploads: Uploads::default(),
            incomplete: Incomplete::default(),
            answers: Answers::default(),
            log_space: u64::MAX,
            trusts_clock_at: now.monotonic.saturating_add(CLOCK_PATIENCE),
            last: now,
            actions: VecDeque::new(),
            halted: false,
        }
    }

    fn recover(&mut self, now: Now, stored: &BTreeSet<Uuid>) {
        for uuid in stored {
            self.on_result_stored(now, *uuid, None);
        }
        self.left_over = self.state.aborted.keys().copied().collect();
        let mut running: Vec<_> =
            self.state.running.iter().map(|(uuid, build)| (build.started, *uuid)).collect();
        // Each goes to the very front, so the one that is to be first comes last.
        running.sort_by(|a, b| b.cmp(a));
        for (_, uuid) in running {
            self.abort_interrupted(now, uuid);
        }
        let aborted: Vec<Uuid> = self.state.aborted.keys().copied().collect();
        for uuid in aborted {
            self.seal_aborted(uuid);
            self.store_aborted(uuid);
        }
        self.recover_uploads();
    }
}
