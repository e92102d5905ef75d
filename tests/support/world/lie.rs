//! Platforms that are wrong on purpose, to show that the simulation would notice. What is wrong with the server itself is planted
//! in its sources, see `tests/wrong_servers`.

/// What the platform says to be done although it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    #[default]
    Nothing,
    /// The log is written, but not synced.
    LogNotSynced,
    /// The length of the log is not synced, only what it holds.
    LogLengthNotSynced,
    /// The names of log files are not synced after a rotation.
    LogNamesNotSynced,
    /// No file of a result is synced by itself.
    ResultsNotSynced,
    /// The length of files is not set.
    LengthNotSet,
    /// The directories of results are not synced.
    DirectoriesNotSynced,
    /// The file system is not synced as a whole.
    FileSystemNotSynced,
    /// A sync that failed has succeeded.
    FailuresHidden,
    /// What a write leaves out is written.
    WritesCutShort,
    /// Uuids are chosen again after every start.
    UuidsRepeated,
    /// Uploads that fail are done.
    FailedUploadsDone,
}

impl Lie {
    /// All there are, one way or another of deceiving the server each.
    pub const ALL: [Lie; 11] = [
        Lie::LogNotSynced,
        Lie::LogLengthNotSynced,
        Lie::LogNamesNotSynced,
        Lie::ResultsNotSynced,
        Lie::LengthNotSet,
        Lie::DirectoriesNotSynced,
        Lie::FileSystemNotSynced,
        Lie::FailuresHidden,
        Lie::WritesCutShort,
        Lie::UuidsRepeated,
        Lie::FailedUploadsDone,
    ];
}
