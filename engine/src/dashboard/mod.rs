//! What happens next in builder-dashboard: browsers ask for pages, and the server is asked for what is on them.

pub mod colours;
pub mod http;
pub mod site;
pub mod snapshot;
