//! Connections as the driver knows them: a number, and where it came in.

/// A connection, numbered by the driver; never used again for another.
pub type ConnectionId = u64;

/// Who may speak on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Workers and clients, as in builder 0.4.0.
    Any,
    /// Workers only.
    Workers,
    /// Clients only.
    Clients,
}
