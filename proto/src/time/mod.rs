//! Points in time and periods, as the wire knows them.

mod calendar;
mod digits;
mod moment;
mod period;
mod rfc3339;
mod wire;

pub use moment::Time;
pub use period::{Period, PeriodError};
pub use rfc3339::TimeError;
