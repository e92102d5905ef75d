//! The tag numbers of messages and their names.

use super::Command;

pub(super) const JOB_SCHEDULE: u32 = 2;
pub(crate) const JOB_FINISHED: u32 = 3;
pub(super) const OUTPUT: u32 = 4;
pub(super) const SCHEDULE: u32 = 5;
pub(super) const INFO: u32 = 6;
pub(super) const INFO_REPLY_OLD: u32 = 7;
pub(super) const UNSCHEDULE: u32 = 9;
pub(super) const OBSERVE: u32 = 10;
pub(super) const EXECUTE_OLD: u32 = 11;
pub(super) const SCHEDULE_ORB_BUILD: u32 = 12;
pub(super) const RESCHEDULE: u32 = 13;
pub(super) const CLIENT_HELLO: u32 = 14;
pub(super) const SERVER_HELLO: u32 = 15;
pub(super) const JOB_REQUESTED: u32 = 16;
pub(super) const DROP_PLATFORM: u32 = 17;
pub(super) const SUCCESS: u32 = 18;
pub(super) const FAILURE: u32 = 19;
pub(super) const EXECUTE: u32 = 20;
pub(super) const UNDROP_PLATFORM: u32 = 21;
pub(super) const INFO_REPLY: u32 = 22;

/// The alternatives of the peer in a `clientHello`.
pub(super) const CLIENT: u32 = 0;
pub(super) const WORKER: u32 = 1;

/// Numbers that earlier versions used for something else.
pub(super) const RESERVED: [u32; 3] = [0, 1, 8];

/// The name in the protocol of a message with this tag number.
pub(super) const fn name(number: u32) -> Option<&'static str> {
    Some(match number {
        JOB_SCHEDULE => "jobSchedule",
        JOB_FINISHED => "jobFinished",
        OUTPUT => "output",
        SCHEDULE => "schedule",
        INFO => "info",
        INFO_REPLY_OLD => "infoReplyOld",
        UNSCHEDULE => "unschedule",
        OBSERVE => "observe",
        EXECUTE_OLD => "executeOld",
        SCHEDULE_ORB_BUILD => "scheduleOrbBuild",
        RESCHEDULE => "reschedule",
        CLIENT_HELLO => "clientHello",
        SERVER_HELLO => "serverHello",
        JOB_REQUESTED => "jobRequested",
        DROP_PLATFORM => "dropPlatform",
        SUCCESS => "success",
        FAILURE => "failure",
        EXECUTE => "execute",
        UNDROP_PLATFORM => "undropPlatform",
        INFO_REPLY => "infoReply",
        _ => return None,
    })
}

impl Command {
    pub(super) const fn tag_number(&self) -> u32 {
        match self {
            Command::JobSchedule { .. } => JOB_SCHEDULE,
            Command::JobFinished { .. } => JOB_FINISHED,
            Command::Output { .. } => OUTPUT,
            Command::Schedule { .. } => SCHEDULE,
            Command::Info => INFO,
            Command::InfoReplyOld { .. } => INFO_REPLY_OLD,
            Command::Unschedule(_) => UNSCHEDULE,
            Command::Observe(_) => OBSERVE,
            Command::ExecuteOld(_) => EXECUTE_OLD,
            Command::ScheduleOrbBuild { .. } => SCHEDULE_ORB_BUILD,
            Command::Reschedule { .. } => RESCHEDULE,
            Command::ClientHello { .. } => CLIENT_HELLO,
            Command::ServerHello => SERVER_HELLO,
            Command::JobRequested(_) => JOB_REQUESTED,
            Command::DropPlatform(_) => DROP_PLATFORM,
            Command::Success => SUCCESS,
            Command::Failure(_) => FAILURE,
            Command::Execute { .. } => EXECUTE,
            Command::UndropPlatform(_) => UNDROP_PLATFORM,
            Command::InfoReply(_) => INFO_REPLY,
        }
    }
}
