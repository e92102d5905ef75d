//! The server's machine, driven by arbitrary bytes on arbitrary connections, by commands that make sense, by time, and by
//! disks that are slow, full or broken. A simple model of it says after every turn what has to be remembered, and what
//! has to have been said to whom.

mod commands;
mod entering;
mod jobs;
mod model;
mod peers;
mod stores;
mod world;

use super::choices::{Choices, Cuts};
use builder_engine::Now;
use builder_engine::limits::{ARTIFACT_FILES, ARTIFACT_PATH_BYTES, RESULT_MESSAGE_BYTES};
use builder_engine::server::{ConnectionId, Role, Templates, UploadOutcome, UploadSettings};
use builder_proto::command::{Command, PeerType};
use builder_proto::finished::ArtifactLimits;
use builder_proto::time::Time;
use builder_proto::{CLIENT_VERSION, Uuid, WORKER_VERSION};
use commands::{PLATFORMS, take_command, take_finished, take_output};
use core::time::Duration;
use world::{Storing, World};

/// The most that happens in one run.
const STEPS: usize = 100;

/// Times that may lead to something: the limits of the server, and a second less.
const SECONDS: [u64; 13] = [0, 1, 9, 10, 29, 30, 59, 60, 299, 300, 3599, 3660, 20_000];

/// Takes what happens off the input, step by step.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let cuts = choices.cuts();
    let now =
        Now { wall: Time::from_unix_milliseconds(1_767_225_600_000), monotonic: Duration::from_secs(1000) };
    let mut run = Run { world: World::new(now, take_uploads(&mut choices)), cuts };
    for _ in 0..STEPS {
        if choices.is_empty() || run.world.model.is_out_of_its_depth {
            break;
        }
        run.step(&mut choices);
    }
    run.world.end_turn();
    if !run.world.model.is_out_of_its_depth {
        run.world.crash(0);
    }
}

/// A few conversations.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    commands::seeds()
}

/// What the server accepts of results, besides what its flags say.
fn artifact_limits() -> ArtifactLimits {
    ArtifactLimits {
        total_bytes: u64::MAX,
        files: ARTIFACT_FILES,
        path_bytes: ARTIFACT_PATH_BYTES,
        message_bytes: RESULT_MESSAGE_BYTES,
    }
}

struct Run<'a> {
    world: World,
    cuts: Cuts<'a>,
}

impl Run<'_> {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 32 {
            0..=4 => {
                let command = take_command(choices);
                let client = self.greet(Role::Any, PeerType::Client, command.kind().client_version());
                self.say(client, &command);
            }
            5..=8 => {
                let worker = self.greet(Role::Any, PeerType::Worker, WORKER_VERSION);
                let platform = PLATFORMS[choices.below(PLATFORMS.len())];
                self.say(worker, &Command::JobRequested(platform.into()));
            }
            9 | 10 => self.build(choices, |uuid, choices| vec![take_output(uuid, choices)]),
            11 => self.build(choices, |uuid, choices| {
                vec![take_output(uuid, choices), take_finished(uuid, choices)]
            }),
            12..=14 => self.build(choices, |uuid, choices| vec![take_finished(uuid, choices)]),
            15 => {
                if let Some((worker, _)) = pick(choices, &self.world.model.builders()) {
                    self.world.close(worker);
                }
            }
            16 => drop(self.world.connect(take_role(choices))),
            17 => {
                let (kind, version) = take_hello(choices);
                self.greet(take_role(choices), kind, version);
            }
            18 | 19 => {
                let peer = self.pick_peer(choices);
                let command = take_command(choices);
                self.say(peer, &command);
            }
            20 => self.say_damaged(choices),
            21 | 22 => {
                let peer = self.pick_peer(choices);
                let length = usize::from(choices.byte());
                self.world.say(peer, choices.part(length));
            }
            23 => {
                let peer = self.pick_peer(choices);
                self.world.close(peer);
            }
            24..=26 => self.world.end_turn(),
            27 => self.world.pass(Duration::from_secs(SECONDS[choices.below(SECONDS.len())])),
            28 => self.change_clock(choices),
            29 if choices.flag() => self.world.set_templates(take_templates(choices)),
            29 => self.go_on_with_uploads(choices),
            30 => self.change_disk(choices),
            _ => self.world.crash(usize::from(choices.byte() % 8)),
        }
    }

    fn greet(&mut self, role: Role, peer: PeerType, version: i64) -> ConnectionId {
        let connection = self.world.connect(role);
        self.say(connection, &Command::ClientHello { peer, version });
        connection
    }

    /// Says something in pieces.
    fn say(&mut self, connection: ConnectionId, command: &Command) {
        if let Ok(frame) = command.to_frame() {
            self.say_bytes(connection, &frame);
        }
    }

    fn say_bytes(&mut self, connection: ConnectionId, bytes: &[u8]) {
        for piece in self.cuts.pieces(bytes) {
            self.world.say(connection, piece);
        }
    }

    /// Says something in which bytes are changed or missing.
    fn say_damaged(&mut self, choices: &mut Choices<'_>) {
        let peer = self.pick_peer(choices);
        let Ok(mut frame) = take_command(choices).to_frame() else { return };
        let place = choices.below(frame.len());
        match choices.flag() {
            true => frame.truncate(place),
            false => frame[place] = choices.byte(),
        }
        self.say_bytes(peer, &frame);
    }

    /// A worker that runs a build says something about it, all at once or in pieces of all.
    fn build(&mut self, choices: &mut Choices<'_>, commands: fn(Uuid, &mut Choices<'_>) -> Vec<Command>) {
        if let Some((worker, uuid)) = pick(choices, &self.world.model.builders()) {
            let frames =
                commands(uuid, choices).iter().flat_map(Command::to_frame).flatten().collect::<Vec<_>>();
            self.say_bytes(worker, &frames);
        }
    }

    /// Someone who is connected; a number that nobody has when nobody is.
    fn pick_peer(&self, choices: &mut Choices<'_>) -> ConnectionId {
        let peers: Vec<ConnectionId> = self.world.peers.iter().copied().collect();
        pick(choices, &peers).unwrap_or(ConnectionId::MAX)
    }

    /// Time passes unnoticed, or the wall clock is set.
    fn change_clock(&mut self, choices: &mut Choices<'_>) {
        let seconds = SECONDS[choices.below(SECONDS.len())];
        let wall = self.world.now.wall;
        match choices.byte() % 3 {
            0 => self.world.sleep(Duration::from_secs(seconds)),
            1 => self.world.now.wall = wall.saturating_add(Duration::from_secs(seconds * 53)),
            _ => {
                let milliseconds = i64::try_from(seconds * 53_000).expect("a few years");
                self.world.now.wall = Time::from_unix_milliseconds(wall.unix_milliseconds() - milliseconds);
            }
        }
    }

    fn go_on_with_uploads(&mut self, choices: &mut Choices<'_>) {
        self.world.end_upload(match choices.byte() % 8 {
            0 => UploadOutcome::Unavailable("cannot be reached"),
            1 => UploadOutcome::Refused("too large"),
            2 => UploadOutcome::Unauthorized("who are you"),
            3 => UploadOutcome::Missing,
            4 => return self.world.resume_uploads(),
            5 => UploadOutcome::Forbidden("not this job of yours"),
            _ => UploadOutcome::Done,
        });
    }

    fn change_disk(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 16 {
            0 => self.world.set_free_space(false),
            1 | 2 => self.world.set_free_space(true),
            3 => self.world.set_uuids(false),
            4 | 5 => self.world.set_uuids(true),
            6 => self.world.spools_fail = !self.world.spools_fail,
            7 => self.world.storing = Storing::InLog,
            8 => self.world.storing = Storing::InFile,
            9 => self.world.storing = Storing::Held,
            10 => self.world.storing = Storing::FailsAtOnce,
            11 => self.world.storing = Storing::FailsInTheEnd,
            12 => self.world.release(true),
            13 => self.world.release(false),
            14 => self.world.write_back(usize::from(choices.byte())),
            _ => self.world.rotate(),
        }
    }
}

fn pick<T: Copy>(choices: &mut Choices<'_>, among: &[T]) -> Option<T> {
    (!among.is_empty()).then(|| among[choices.below(among.len())])
}

fn take_uploads(choices: &mut Choices<'_>) -> Option<UploadSettings> {
    let keep_local = match choices.byte() % 3 {
        0 => return None,
        kept => kept == 1,
    };
    Some(UploadSettings { destination: "https://example.org".to_owned(), keep_local })
}

fn take_role(choices: &mut Choices<'_>) -> Role {
    [Role::Any, Role::Workers, Role::Clients, Role::Viewers][choices.below(4)]
}

fn take_hello(choices: &mut Choices<'_>) -> (PeerType, i64) {
    let kind = if choices.flag() { PeerType::Worker } else { PeerType::Client };
    let right = if kind == PeerType::Worker { WORKER_VERSION } else { CLIENT_VERSION };
    (kind, if choices.rarely(8) { i64::from(choices.byte()) } else { right })
}

fn take_templates(choices: &mut Choices<'_>) -> Templates {
    let chosen = choices.byte();
    let platforms = PLATFORMS.iter().enumerate().filter(|(number, _)| chosen >> number & 1 == 1);
    platforms
        .map(|(_, platform)| ((*platform).into(), [b"build ", jobs::PACKAGE, b" here"].concat()))
        .collect()
}
