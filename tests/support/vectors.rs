//! Bytes that builder 0.4.0 produced or accepts, with their meaning.

use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::job::{File, ScriptJob};
use builder_proto::text::Text;
use builder_proto::time::Time;
use serde_json::Value;
use std::path::PathBuf;

/// One example.
#[derive(Debug)]
pub struct Vector {
    /// What it is an example of.
    pub name: String,
    /// Whether the meaning must be written back as exactly these bytes.
    pub canonical: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The meaning; `None` when the bytes must be refused.
    pub decoded: Option<Value>,
}

/// Where a file of examples is.
#[must_use]
pub fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(file)
}

/// Reads a list of examples.
///
/// # Panics
///
/// When there is no such list.
#[must_use]
pub fn load(file: &str) -> Vec<Vector> {
    let text = std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(!vectors.is_empty(), "{file} holds no vectors");
    vectors.iter().map(vector).collect()
}

fn vector(value: &Value) -> Vector {
    Vector {
        name: value["name"].as_str().unwrap().to_owned(),
        canonical: value["canonical"].as_bool().unwrap(),
        bytes: bytes(&value["der_hex"]),
        decoded: Some(&value["decoded"]).filter(|decoded| !decoded.is_null()).cloned(),
    }
}

/// Bytes written in hexadecimal digits.
///
/// # Panics
///
/// Like all functions below, when the value is something else.
#[must_use]
pub fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap_or_else(|| panic!("{value} is no string of digits")).as_bytes();
    assert!(digits.len().is_multiple_of(2), "{value} has an odd number of digits");
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A text written in hexadecimal digits.
#[must_use]
pub fn text(value: &Value) -> Text {
    bytes(value).into()
}

/// A uuid in its canonical spelling.
#[must_use]
pub fn uuid(value: &Value) -> Uuid {
    value.as_str().unwrap().parse().unwrap()
}

/// A point in time.
#[must_use]
pub fn time(value: &Value) -> Time {
    let part = |name: &str| value[name].as_i64().unwrap();
    Time::from_unix_milliseconds(part("unix_seconds") * 1000 + part("milliseconds"))
}

/// A script job.
#[must_use]
pub fn script_job(value: &Value) -> ScriptJob {
    ScriptJob {
        name: text(&value["name_hex"]),
        script: text(&value["script_hex"]),
        platform: text(&value["platform_hex"]),
    }
}

/// How a build ended.
#[must_use]
pub fn build_result(value: &Value) -> BuildResult {
    let (kind, value) = value.as_object().and_then(|object| object.iter().next()).unwrap();
    let number = || value.as_i64().unwrap();
    match kind.as_str() {
        "exited" => BuildResult::Exited(number()),
        "signalled" => BuildResult::Signalled(number()),
        "stopped" => BuildResult::Stopped(number()),
        "msg_hex" => BuildResult::Message(text(value)),
        _ => panic!("{kind} is no result"),
    }
}

/// Artifacts.
#[must_use]
pub fn files(value: &Value) -> Vec<File> {
    let file = |file: &Value| File { path: text(&file["path_hex"]), data: text(&file["data_hex"]) };
    value.as_array().unwrap().iter().map(file).collect()
}
