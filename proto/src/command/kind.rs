//! The table of messages: the number, the name and the sender of each.

use super::Command;

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Either peer of a server, before anything else.
    Peer,
    /// A client, to look at something.
    ClientLooks,
    /// A client, to change something.
    ClientChanges,
    /// A worker.
    Worker,
    /// A worker to the server, and the server to observers.
    WorkerAndServer,
    /// The server.
    Server,
}

/// One row a message: `number Variant "name in the protocol", sender`.
macro_rules! messages {
    ($($number:literal $variant:ident $name:literal, $sender:ident;)*) => {
        /// Which message it is, without what it holds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`: [`Command::", stringify!($variant), "`].")] $variant,)*
        }

        impl Kind {
            /// Every message, by number.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),*];

            /// The number of the tag.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Kind::$variant => $number),* }
            }

            /// The name in the protocol, such as `jobSchedule`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name),* }
            }

            /// Who sends it.
            #[must_use]
            pub const fn sender(self) -> Sender {
                match self { $(Kind::$variant => Sender::$sender),* }
            }

            pub(super) const fn from_number(number: u32) -> Option<Kind> {
                match number {
                    $($number => Some(Kind::$variant),)*
                    _ => None,
                }
            }
        }

        impl Command {
            /// Which message it is.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $(Command::$variant { .. } => Kind::$variant),* }
            }
        }
    };
}

messages! {
     2 JobSchedule "jobSchedule", Server;
     3 JobFinished "jobFinished", Worker;
     4 Output "output", WorkerAndServer;
     5 Schedule "schedule", ClientChanges;
     6 Info "info", ClientLooks;
     7 InfoReplyOld "infoReplyOld", Server;
     9 Unschedule "unschedule", ClientChanges;
    10 Observe "observe", ClientLooks;
    11 ExecuteOld "executeOld", ClientChanges;
    12 ScheduleOrbBuild "scheduleOrbBuild", ClientChanges;
    13 Reschedule "reschedule", ClientChanges;
    14 ClientHello "clientHello", Peer;
    15 ServerHello "serverHello", Server;
    16 JobRequested "jobRequested", Worker;
    17 DropPlatform "dropPlatform", ClientChanges;
    18 Success "success", Server;
    19 Failure "failure", Server;
    20 Execute "execute", ClientChanges;
    21 UndropPlatform "undropPlatform", ClientChanges;
    22 InfoReply "infoReply", Server;
}

/// Numbers that earlier versions used for something else.
pub(super) const RESERVED: [u32; 3] = [0, 1, 8];

/// The alternatives of the peer in a `clientHello`.
pub(super) const CLIENT: u32 = 0;
pub(super) const WORKER: u32 = 1;
