//! Stored results and finished builds as builder 0.4.0 knows them.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

use builder_proto::execution::{ConsoleLine, ConsoleReader, Execution, FilesReader, StoredExecution};
use builder_proto::finished::{
    ArtifactLimits, FINISHED_TAG, FinishedError, FinishedEvent, FinishedHead, FinishedWalker,
};
use builder_proto::header::Header;
use builder_tests::results::{output_of, read, read_files, stream};
use builder_tests::vectors;
use serde_json::Value;

const LIMITS: ArtifactLimits =
    ArtifactLimits { total_bytes: 1 << 32, files: 1000, path_bytes: 4096, message_bytes: 65_536 };

fn execution(value: &Value) -> Execution {
    let line = |line: &Value| ConsoleLine {
        delta_nanoseconds: line["delta_ns"].as_i64().unwrap(),
        line: vectors::text(&line["output_hex"]),
    };
    Execution {
        job: vectors::script_job(&value["job"]),
        uuid: vectors::uuid(&value["uuid"]),
        // The vectors list the lines as they are stored, the newest first.
        console: value["console"].as_array().unwrap().iter().rev().map(line).collect(),
        started: vectors::time(&value["started"]),
        finished: vectors::time(&value["finished"]),
        result: vectors::build_result(&value["result"]),
        output: vectors::files(&value["output"]),
    }
}

#[test]
fn stored_results_mean_what_they_meant_to_builder_0_4_0() {
    for vector in vectors::load("execution.json") {
        let name = &vector.name;
        let whole = Execution::decode(&vector.bytes);
        let read = read(&vector.bytes[..], vector.bytes.len());
        let Some(decoded) = vector.decoded else {
            assert!(whole.is_err(), "{name} was accepted");
            assert!(read.is_err(), "{name} was read");
            continue;
        };
        let expected = execution(&decoded);
        assert_eq!(whole.as_ref(), Ok(&expected), "{name}");
        assert_eq!(read.as_ref(), Ok(&expected), "{name}");
        if vector.canonical {
            assert_eq!(expected.encode().unwrap(), vector.bytes, "{name}");
            assert_eq!(stream(&expected, output_of(&vector.bytes)), vector.bytes, "{name}, streamed");
        }
    }
}

#[test]
fn a_file_that_builder_0_4_0_wrote_is_read_and_written_back() {
    let bytes = std::fs::read(vectors::path("full-0.4.0.der")).unwrap();
    let execution = Execution::decode(&bytes).unwrap();
    assert_eq!(read(&bytes[..], bytes.len()).as_ref(), Ok(&execution));
    assert_eq!(execution.encode().unwrap(), bytes);
    assert_eq!(stream(&execution, output_of(&bytes)), bytes);

    assert_eq!(execution.job.name.as_str(), Some("job1"));
    assert_eq!(execution.result.to_string(), "exited 3");
    assert_eq!(execution.started.to_string(), "2026-11-23T17:55:15.455Z");
    let console: Vec<_> = execution.console.iter().map(|line| line.line.as_str().unwrap()).collect();
    assert_eq!(console, ["hello", "err", "no newline"]);
    let [file] = execution.output.as_slice() else { panic!("one artifact") };
    assert_eq!((file.path.as_str(), file.data.as_bytes().len()), (Some("out/rnd"), 1000));
}

#[test]
fn a_stored_result_that_is_cut_off_is_refused() {
    let mut examples: Vec<_> =
        vectors::load("execution.json").into_iter().map(|vector| vector.bytes).collect();
    examples.push(std::fs::read(vectors::path("full-0.4.0.der")).unwrap());
    for bytes in examples {
        for end in 0..bytes.len() {
            assert!(Execution::decode(&bytes[..end]).is_err());
            assert!(read(&bytes[..end], end).is_err());
            // The length may also promise more than there is.
            let promised = StoredExecution::open(&bytes[..end], bytes.len() as u64);
            if let Ok(stored) = promised {
                let mut reader = ConsoleReader::new(&bytes[..end], stored.console);
                while let Ok(Some(_)) = reader.next_entry() {}
                let mut reader = FilesReader::new(&bytes[..end], stored.output);
                while let Ok(Some(_)) = reader.next_file() {}
            }
        }
    }
}

/// Walks over the payload in pieces of `step` bytes: the head, and the artifacts as they are to be stored.
fn walk(bytes: &[u8], step: usize) -> Result<(FinishedHead, Vec<u8>), FinishedError> {
    let mut walker = FinishedWalker::new(bytes.len() as u64, LIMITS);
    let (mut head, mut stored) = (None, Vec::new());
    for mut rest in bytes.chunks(step).chain([&[][..]]) {
        loop {
            let (taken, event) = walker.push(rest)?;
            match event {
                FinishedEvent::More => break,
                FinishedEvent::Head(found) => head = Some(found),
                FinishedEvent::Data => stored.extend_from_slice(&rest[..taken]),
                FinishedEvent::End => return Ok((head.expect("the head comes first"), stored)),
            }
            rest = &rest[taken..];
        }
    }
    panic!("the walker wants more than there is");
}

#[test]
fn finished_builds_mean_what_they_meant_to_builder_0_4_0() {
    let finished = vectors::load("command.json")
        .into_iter()
        .filter(|vector| vector.bytes.first() == Some(&FINISHED_TAG))
        .collect::<Vec<_>>();
    assert!(finished.len() > 15);
    for vector in finished {
        let name = &vector.name;
        let step = if vector.bytes.len() > 10_000 { 997 } else { 1 };
        let walked = walk(&vector.bytes, vector.bytes.len());
        assert_eq!(walked, walk(&vector.bytes, step), "{name}, in pieces");
        let Some(decoded) = vector.decoded else {
            assert!(walked.is_err(), "{name} was accepted");
            continue;
        };
        let expected = &decoded["job_finished"];
        let (head, stored) = walked.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(head.uuid, vectors::uuid(&expected["uuid"]), "{name}");
        assert_eq!(head.result, vectors::build_result(&expected["result"]), "{name}");
        assert_eq!(head.data_length, stored.len() as u64, "{name}");
        assert!(vector.bytes.ends_with(&stored), "{name}");

        let (_, header_length) = Header::parse(&stored).unwrap().unwrap();
        let files = read_files(&stored[..], header_length as u64..stored.len() as u64).unwrap();
        assert_eq!(files, vectors::files(&expected["data"]), "{name}");
    }
}
