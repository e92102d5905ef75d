//! Logs, which go to stderr.

use log::LevelFilter;

/// Starts logging. `-v` and `-q` count more than `RUST_LOG`, which counts more than what is usual: warnings.
pub(super) fn start(verbose: usize, quiet: bool) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Warn);
    match level(verbose, quiet) {
        Some(level) => builder.filter_level(level),
        None => builder.parse_default_env(),
    };
    // Only a second logger could fail, and there is none.
    let _ = builder.try_init();
}

/// What the options ask for.
fn level(verbose: usize, quiet: bool) -> Option<LevelFilter> {
    match (quiet, verbose) {
        (true, _) => Some(LevelFilter::Error),
        (false, 0) => None,
        (false, 1) => Some(LevelFilter::Info),
        (false, _) => Some(LevelFilter::Debug),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_v_says_more_and_q_silences_them() {
        assert_eq!(level(0, false), None);
        assert_eq!(level(1, false), Some(LevelFilter::Info));
        assert_eq!(level(2, false), Some(LevelFilter::Debug));
        assert_eq!(level(9, false), Some(LevelFilter::Debug));
        assert_eq!(level(1, true), Some(LevelFilter::Error));
    }
}
