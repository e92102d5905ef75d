//! What a dashboard is told.

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A browser has connected; this number is its own from now on.
    Connected {
        /// The browser.
        connection: u64,
        /// To which address of ours.
        place: Place,
    },
    /// A browser has sent something.
    Received {
        /// The browser.
        connection: u64,
        /// What it has sent.
        bytes: &'a [u8],
    },
    /// A browser will send nothing more.
    Ended {
        /// The browser.
        connection: u64,
    },
    /// So much of what [waits](super::Dashboard::next_write) for a browser has been taken by its socket.
    Written {
        /// The browser.
        connection: u64,
        /// In bytes.
        count: usize,
    },
    /// The connection of a browser is closed, by either side.
    Gone {
        /// The browser.
        connection: u64,
    },
    /// The server has sent something.
    Answered {
        /// The question.
        question: u64,
        /// What it has sent.
        bytes: &'a [u8],
    },
    /// There is no connection to the server, or it has ended.
    Broken {
        /// The question.
        question: u64,
        /// Why, in words.
        reason: String,
    },
    /// Time has passed.
    Tick,
}

/// Where browsers connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a socket in the file system, which no browser reaches by itself: a proxy is there.
    File,
    /// On an address that only this machine reaches.
    Loopback,
    /// On another address.
    Network,
}
