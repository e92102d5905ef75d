//! What stands behind the last frame: preallocated zeros, or what a crash left.

use super::*;

#[test]
fn zeros_after_the_last_frame_are_preallocated_for_more() {
    let sample = sample();
    for length in [1, 35, 36, 4096, 300_000] {
        let bytes = [sample.bytes.clone(), vec![0; length]].concat();
        for chunk in [11, 64 * 1024, usize::MAX] {
            let reading = read_in_chunks(&bytes, chunk);
            assert_eq!(reading.payloads, sample.payloads);
            assert_eq!((reading.damage, reading.verdict), (vec![], clean(sample.bytes.len())));
        }
    }
}

#[test]
fn a_frame_behind_zeros_that_are_not_its_own_is_damage() {
    let sample = sample();
    let last = sample.ends[4];
    for zeros in [1, 4, 35, 36, 100] {
        let bytes = [&sample.bytes[..last], &vec![0; zeros], &sample.bytes[last..]].concat();
        for chunk in [1, 7, usize::MAX] {
            let reading = read_in_chunks(&bytes, chunk);
            assert_eq!(
                reading.damage,
                [Damage { from: last as u64, to: (last + zeros) as u64, lost_frames: 0 }]
            );
            assert_eq!((reading.payloads, reading.verdict), (sample.payloads.clone(), clean(bytes.len())));
        }
    }
}

#[test]
fn garbage_after_the_last_frame_is_a_torn_tail() {
    let sample = sample();
    let behind_zeros = [vec![0; 5000], vec![1]].concat();
    for tail in [vec![0xff; 4096], vec![7; 100], b"\n".to_vec(), behind_zeros] {
        let reading = read(&[sample.bytes.clone(), tail].concat());
        assert_eq!(reading.payloads, sample.payloads);
        assert_eq!((reading.damage, reading.verdict), (vec![], torn(sample.bytes.len())));
    }
}

#[test]
fn a_frame_half_of_zeros_is_a_torn_tail_whichever_half_it_is() {
    let sample = sample();
    let (from, to) = (sample.ends[4], sample.ends[5]);
    for middle in from + 1..to {
        for zeros in [from..middle, middle..to] {
            let mut bytes = sample.bytes.clone();
            if bytes[zeros.clone()].iter().all(|byte| *byte == 0) {
                continue;
            }
            bytes[zeros].fill(0);
            let reading = read(&bytes);
            assert_eq!(reading.payloads, sample.payloads[..4]);
            assert_eq!((reading.damage, reading.verdict), (vec![], end_of(&bytes, from)));
        }
    }
}

#[test]
fn old_frames_after_the_end_are_a_torn_tail() {
    let sample = sample();
    let of_this_file = sample.bytes[HEADER_LENGTH..].to_vec();
    let of_another_file = write_log(OTHER_SALT, &vec![b"old".to_vec(); 20]).bytes[HEADER_LENGTH..].to_vec();
    for tail in [of_this_file, of_another_file] {
        for gap in [0, 1, 50] {
            let reading = read(&[sample.bytes.clone(), vec![9; gap], tail.clone()].concat());
            assert_eq!(reading.payloads, sample.payloads);
            assert_eq!((reading.damage, reading.verdict), (vec![], torn(sample.bytes.len())));
        }
    }
}

#[test]
fn an_imitated_frame_in_a_torn_payload_proves_nothing() {
    // The payload holds good frames with later numbers, but the job that made it did not know the salt.
    let imitation = write_log(OTHER_SALT, &vec![b"imitated".to_vec(); 9]).bytes;
    let log = write_log(SALT, &[b"first".to_vec(), imitation]);
    for length in log.ends[1] + 1..log.bytes.len() {
        let bytes = &log.bytes[..length];
        let reading = read(bytes);
        let expected = (vec![], end_of(bytes, log.ends[1]));
        assert_eq!((reading.damage, reading.verdict), expected, "cut at {length}");
    }
}
