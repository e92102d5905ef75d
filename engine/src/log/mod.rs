//! The write-ahead log as bytes.
