//! The tokens by which mio names what it tells of.

use builder_engine::driver::ListenerId;
use builder_engine::server::ConnectionId;
use mio::Token;
use std::io;

/// What a token of mio stands for.
pub(crate) struct Tokens;

impl Tokens {
    pub(crate) const SIGNALS: Token = Token(0);
    pub(crate) const WAKER: Token = Token(1);
    /// Listeners have the tokens from here on.
    const FIRST_LISTENER: usize = 2;
    /// Connections have the tokens from here on.
    const FIRST_CONNECTION: usize = 1024;

    pub(crate) fn of_listener(listener: ListenerId) -> Token {
        Token(Tokens::FIRST_LISTENER + listener)
    }

    pub(crate) fn of_connection(connection: ConnectionId) -> io::Result<Token> {
        Ok(Token(Tokens::FIRST_CONNECTION + usize::try_from(connection).map_err(io::Error::other)?))
    }

    /// The listener of a token that is nobody else's.
    pub(crate) fn to_listener(token: Token) -> ListenerId {
        token.0.saturating_sub(Tokens::FIRST_LISTENER)
    }

    /// None when the token is not that of a connection.
    pub(crate) fn to_connection(token: Token) -> Option<ConnectionId> {
        token.0.checked_sub(Tokens::FIRST_CONNECTION).map(|number| number as ConnectionId)
    }
}
