//! State files of builder 0.4.0: what is read can be written, and what is taken over can be kept and given back.

use crate::vectors;
use builder_engine::server::migration::{export, import};
use builder_engine::server::record::Record;
use builder_engine::server::{Recovery, State};
use builder_proto::state_file::StateFile;

/// Takes the input for a state file.
pub fn run(input: &[u8]) {
    let file = match StateFile::decode(input) {
        Ok((file, _)) => file,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let bytes = file.encode().unwrap();
    assert_eq!(StateFile::decode(&bytes), Ok((file.clone(), Vec::new())));
    let (state, _) = import(file);
    check_log(&state);
    let exported = export(&state);
    let (again, warnings) = import(exported.clone());
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(records(&again), records(&state));
    assert_eq!(export(&again), exported);
}

/// The state files of the vectors.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let file = std::fs::read(vectors::path("state-0.4.0.der")).unwrap();
    vectors::load("state.json").into_iter().map(|vector| vector.bytes).chain([file]).collect()
}

/// What was taken over is the same after a restart.
fn check_log(state: &State) {
    let mut batch = Vec::new();
    for record in state.snapshot() {
        record.append_to(&mut batch).unwrap();
    }
    let mut recovery = Recovery::new(false);
    recovery.apply_batch(&batch).unwrap();
    assert_eq!(records(&recovery.finish().state), records(state));
}

fn records(state: &State) -> Vec<Record> {
    state.snapshot().collect()
}
