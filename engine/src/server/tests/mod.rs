//! Tests of the whole server, in a world that is made of values: time passes when a test says so, a connection is a
//! number, the log is a list.

mod rig;
mod settings;
mod shortcuts;
mod silence;
mod waiting;
mod words;
mod world;

mod charge;
mod clock;
mod disk_full;
mod dispatch;
mod environments;
mod execute;
mod hello;
mod info;
mod last_lines;
mod leaving;
mod long_scripts;
mod losses;
mod migration;
mod observe;
mod platforms;
mod reasons;
mod records;
mod recovery;
mod replay;
mod results;
mod schedule;
mod viewers;
