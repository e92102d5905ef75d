//! Pages of `builder-dashboard` in a real browser: Chromium, driven by chromedriver.
//!
//! Without these programs the tests say so and pass; if `BUILDER_BROWSER` is set, as in `.ci/run`, they fail.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is test code"
)]

mod accessibility;
mod console;
mod host;
mod hostile;
mod live;
mod pictures;
mod scriptless;
mod webdriver;
