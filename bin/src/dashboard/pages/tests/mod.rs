//! Pages, made of what a server might say.

mod addresses;
mod host;
mod hostile;
mod overview;
mod samples;
mod structure;
mod views;
