//! Files that are no stored results, or not any more.

use crate::{Place, make_fifo, read, with_files};

#[test]
fn a_file_that_is_cut_off_is_refused_by_name() {
    let bytes = with_files(&[("bin/a", "x")]).encode().unwrap();
    for end in 0..bytes.len() {
        let place = Place::with_bytes(&bytes[..end]);
        let complaints = place.fail(&["--output", "out", "full"]);
        assert!(
            complaints.starts_with("builder-inspect: full is damaged or no stored result: "),
            "{complaints}"
        );
        assert!(!place.path("out").exists());
    }
}

#[test]
fn damage_is_found_where_it_is() {
    let bytes = with_files(&[("first", "x"), ("second", "y")]).encode().unwrap();
    let damage = |needle: &[u8], back: usize| {
        let position = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
        let mut bytes = bytes.clone();
        bytes[position - back] ^= 0x55;
        Place::with_bytes(&bytes)
    };
    let console = damage(b"\x0c\x03end", 0).fail(&["--console", "full"]);
    assert!(console.contains("full is damaged or no stored result: console entry at byte "), "{console}");
    let place = damage(b"second", 1);
    let artifact = place.fail(&["--output", "out", "full"]);
    assert!(artifact.contains("full is damaged or no stored result: artifact path at byte "), "{artifact}");
    assert_eq!(read(&place.path("out/first")), "x");
    assert!(place.print(&["--console", "full"]).contains("hello"), "the console can still be read");
}

#[test]
fn what_is_no_result_is_refused_by_name() {
    let place = Place::with_bytes(b"#!/bin/sh\n");
    let complaints = place.fail(&["full"]);
    assert!(complaints.starts_with("builder-inspect: full is damaged or no stored result: "), "{complaints}");
    let complaints = place.fail(&["missing"]);
    assert!(complaints.starts_with("builder-inspect: cannot open missing: "), "{complaints}");
    make_fifo(&place.path("fifo"));
    let complaints = place.fail(&["fifo"]);
    assert_eq!(complaints, "builder-inspect: cannot open fifo: it is not a regular file\n");
}
