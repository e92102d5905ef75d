//! Servers that are wrong on purpose, to show that the simulation would notice.

/// One mistake in the server, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The server as it is.
    Right,
    /// Answers leave before their records are synced.
    ReplyBeforeSync,
    /// The log is written, but not synced.
    LogNotSynced,
    /// The length of the log is not synced, only what it holds.
    LogLengthNotSynced,
    /// The names of log files are not synced after a rotation.
    LogNamesNotSynced,
    /// No record says that a job was handed out.
    DispatchNotRecorded,
    /// No record says that a job left the schedule.
    UnscheduleNotRecorded,
    /// Artifacts that end too early are stored as if they were complete.
    ArtifactsNotCounted,
    /// Small results get into place before the log holds them.
    PublishBeforeCommit,
    /// Large results get into place before their octets are synced.
    PlaceBeforeSync,
    /// The length of large results is not set before they are synced, though they were not written from front to back.
    LengthNotSet,
    /// Large results get into place before the record that says how their builds ended is synced.
    PlaceBeforeCommit,
    /// A large result gives way to another because its directories could not be synced, though it is in place.
    PlacedTakenForFailed,
    /// The directories of results are not synced.
    ResultNamesNotSynced,
    /// The log forgets small results before their files are synced.
    SettleBeforeSync,
    /// A failed sync of results is tried again, and believed.
    FailedSyncRetried,
    /// The log is rotated although it still has to keep results.
    RotateUnsettled,
    /// Results that a start finds in place are recorded as stored without a sync.
    FoundNotSynced,
    /// After a start, builds that were running are forgotten.
    RunningForgotten,
    /// Uuids are chosen again after every start.
    UuidsRepeated,
    /// A spool is taken up as it is, torn end included.
    SpoolNotScanned,
    /// Uploads that fail are taken for done.
    FailedUploadBelieved,
    /// Observers who are slow miss lines.
    LinesSkipped,
    /// A worker that says nothing in all its time is taken for one whose job takes too long.
    SilenceTakenForTimeout,
    /// The job of a lost worker is not put back.
    LossNotRequeued,
    /// What a write leaves out of a console is taken for written.
    SpoolWritesNotRepeated,
}

impl Variant {
    pub(crate) const WRONG: [Variant; 25] = [
        Variant::ReplyBeforeSync,
        Variant::LogNotSynced,
        Variant::LogLengthNotSynced,
        Variant::LogNamesNotSynced,
        Variant::DispatchNotRecorded,
        Variant::UnscheduleNotRecorded,
        Variant::ArtifactsNotCounted,
        Variant::PublishBeforeCommit,
        Variant::PlaceBeforeSync,
        Variant::LengthNotSet,
        Variant::PlaceBeforeCommit,
        Variant::PlacedTakenForFailed,
        Variant::ResultNamesNotSynced,
        Variant::SettleBeforeSync,
        Variant::FailedSyncRetried,
        Variant::RotateUnsettled,
        Variant::FoundNotSynced,
        Variant::RunningForgotten,
        Variant::UuidsRepeated,
        Variant::SpoolNotScanned,
        Variant::SpoolWritesNotRepeated,
        Variant::FailedUploadBelieved,
        Variant::LinesSkipped,
        Variant::SilenceTakenForTimeout,
        Variant::LossNotRequeued,
    ];
}
