//! What a message leads to in its conversation.

use crate::server::sessions::connection::Phase;

/// How a conversation goes on after a message.
pub(crate) enum Step {
    /// As it is.
    Stay,
    /// In another phase.
    Enter(Phase),
    /// With a refusal, and not further. A build of this connection is lost.
    Refuse(String),
    /// Not further. A build of this connection has been ended already.
    Close(String),
    /// Not further; everything has been said.
    Finish,
}
