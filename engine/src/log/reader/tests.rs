use super::*;
use crate::limits::LOG_FRAME_BYTES;
use crate::log::format::Frame;
use proptest::prelude::*;

mod ends;

const SALT: Salt = Salt(*b"sixteen bytes!!!");
const OTHER_SALT: Salt = Salt(*b"another sixteen.");

/// A log whose frame boundaries are known.
struct Sample {
    bytes: Vec<u8>,
    payloads: Vec<Vec<u8>>,
    /// Where the header ends, then where each frame ends.
    ends: Vec<usize>,
}

/// Everything that came out of a reader that goes on after damage.
#[derive(Debug, PartialEq)]
struct Reading {
    payloads: Vec<Vec<u8>>,
    /// How many payloads came before the first damage.
    before_damage: usize,
    damage: Vec<Damage>,
    verdict: Verdict,
}

fn write_log(salt: Salt, payloads: &[Vec<u8>]) -> Sample {
    let (mut position, header) = Position::start(salt);
    let mut bytes = header.to_vec();
    let mut ends = vec![bytes.len()];
    for payload in payloads {
        let mut frame = Frame::new();
        frame.append(payload);
        let (sealed, after) = frame.seal(position);
        bytes.extend_from_slice(sealed);
        ends.push(bytes.len());
        position = after;
    }
    Sample { bytes, payloads: payloads.to_vec(), ends }
}

/// Five frames of different lengths, one of them holding a whole log of another salt.
fn sample() -> Sample {
    let imitation = write_log(OTHER_SALT, &[b"imitated".to_vec(), b"more".to_vec()]).bytes;
    write_log(SALT, &[b"x".to_vec(), b"second".to_vec(), imitation, vec![0; 40], b"the last one".to_vec()])
}

fn read_in_chunks(bytes: &[u8], chunk: usize) -> Reading {
    let mut reader = LogReader::new();
    let mut chunks = bytes.chunks(chunk);
    let (mut payloads, mut before_damage, mut damage) = (Vec::new(), 0, Vec::new());
    loop {
        match reader.poll() {
            Event::NeedInput => match chunks.next() {
                Some(chunk) => reader.push(chunk),
                None => reader.finish(),
            },
            Event::Frame { payload, .. } => payloads.push(payload.to_vec()),
            Event::Damage(found) => damage.push(found),
            Event::End(verdict) => {
                return Reading { before_damage, payloads, damage, verdict };
            }
        }
        if damage.is_empty() {
            before_damage = payloads.len();
        }
    }
}

fn read(bytes: &[u8]) -> Reading {
    read_in_chunks(bytes, usize::MAX)
}

fn clean(good_length: usize) -> Verdict {
    Verdict::Clean { good_length: good_length as u64 }
}

fn torn(good_length: usize) -> Verdict {
    Verdict::Torn { good_length: good_length as u64 }
}

/// The end of a log whose last good frame ends there.
fn end_of(bytes: &[u8], good_length: usize) -> Verdict {
    let is_preallocated = bytes[good_length..].iter().all(|byte| *byte == 0);
    if is_preallocated { clean(good_length) } else { torn(good_length) }
}

#[test]
fn a_whole_log_is_clean_in_chunks_of_any_size() {
    let sample = sample();
    for chunk in (1..80).chain([usize::MAX]) {
        let reading = read_in_chunks(&sample.bytes, chunk);
        assert_eq!(reading.payloads, sample.payloads);
        assert_eq!((reading.damage, reading.verdict), (vec![], clean(sample.bytes.len())));
    }
}

#[test]
fn what_no_crash_leaves_of_a_log_is_unreadable() {
    let header = write_log(SALT, &[]).bytes;
    let mut bad_header = header.clone();
    bad_header[17] ^= 4;
    let zeros_behind = [header.clone(), vec![0; 100]].concat();
    for bytes in [Vec::new(), header[..HEADER_LENGTH - 1].to_vec(), header, bad_header, zeros_behind] {
        for chunk in [1, usize::MAX] {
            let reading = read_in_chunks(&bytes, chunk);
            assert_eq!((reading.payloads.len(), reading.damage.len()), (0, 0));
            assert_eq!(reading.verdict, Verdict::Unreadable, "{bytes:?}");
        }
    }
}

#[test]
fn a_frame_says_where_it_begins() {
    let sample = sample();
    let mut reader = LogReader::new();
    reader.push(&sample.bytes);
    for &end in &sample.ends[..5] {
        assert!(matches!(reader.poll(), Event::Frame { offset, .. } if offset == end as u64));
    }
}

#[test]
fn a_reader_knows_the_position_from_which_to_go_on() {
    let sample = sample();
    let mut reader = LogReader::new();
    reader.push(&sample.bytes);
    while let Event::Frame { .. } = reader.poll() {}
    let mut bytes = sample.bytes.clone();
    let mut frame = Frame::new();
    frame.append(b"appended later");
    bytes.extend_from_slice(frame.seal(reader.position()).0);
    let reading = read(&bytes);
    assert_eq!((reading.payloads.len(), reading.verdict), (6, clean(bytes.len())));
}

#[test]
fn every_cut_behind_the_first_frame_leaves_the_frames_before_it() {
    let sample = sample();
    println!("{} cuts", sample.bytes.len());
    for length in 0..sample.bytes.len() {
        let good_frames = sample.ends.iter().filter(|end| **end <= length).count().saturating_sub(1);
        let expected = match sample.ends[good_frames] {
            _ if good_frames == 0 => Verdict::Unreadable,
            good_length => end_of(&sample.bytes[..length], good_length),
        };
        for chunk in [1, 13, usize::MAX] {
            let reading = read_in_chunks(&sample.bytes[..length], chunk);
            assert_eq!(reading.payloads, sample.payloads[..good_frames], "cut at {length}");
            assert_eq!((reading.damage, reading.verdict), (vec![], expected), "cut at {length}");
        }
    }
}

#[test]
fn every_flipped_bit_is_found_and_costs_one_frame_at_most() {
    let sample = sample();
    let last = sample.payloads.len() - 1;
    println!("{} flipped bits", sample.bytes.len() * 8);
    for bit in 0..sample.bytes.len() * 8 {
        let mut bytes = sample.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        for chunk in [11, usize::MAX] {
            let reading = read_in_chunks(&bytes, chunk);
            // Where the bit is: 0 for the header, then the frames from 1.
            let hit = sample.ends.iter().filter(|end| **end <= bit / 8).count();
            let mut surviving = sample.payloads.clone();
            let (damage, verdict) = if hit == 0 {
                let to = HEADER_LENGTH as u64;
                (vec![Damage { from: 0, to, lost_frames: 0 }], clean(bytes.len()))
            } else {
                surviving.remove(hit - 1);
                let (from, to) = (sample.ends[hit - 1], sample.ends[hit]);
                if hit - 1 == last {
                    (vec![], torn(from))
                } else {
                    let (from, to) = (from as u64, to as u64);
                    (vec![Damage { from, to, lost_frames: 1 }], clean(bytes.len()))
                }
            };
            assert_eq!(reading.payloads, surviving, "bit {bit}");
            assert_eq!((reading.damage, reading.verdict), (damage, verdict), "bit {bit}");
            assert_eq!(reading.before_damage, hit.saturating_sub(1), "bit {bit}");
        }
    }
}

#[test]
fn a_missing_frame_and_inserted_bytes_are_damage() {
    let sample = sample();
    let (from, to) = (sample.ends[1], sample.ends[3]);
    let bytes = [&sample.bytes[..from], &sample.bytes[to..]].concat();
    let reading = read(&bytes);
    assert_eq!(reading.damage, [Damage { from: from as u64, to: from as u64, lost_frames: 2 }]);
    assert_eq!(reading.payloads, [&sample.payloads[..1], &sample.payloads[3..]].concat());
    assert_eq!(reading.verdict, clean(bytes.len()));

    let last = sample.ends[4];
    let bytes = [&sample.bytes[..last], b"inserted", &sample.bytes[last..]].concat();
    let reading = read(&bytes);
    assert_eq!(reading.damage, [Damage { from: last as u64, to: last as u64 + 8, lost_frames: 0 }]);
    assert_eq!((reading.payloads, reading.verdict), (sample.payloads, clean(bytes.len())));
}

#[test]
fn damage_in_several_places_and_a_torn_tail_leave_every_good_frame() {
    let sample = sample();
    let mut bytes = sample.bytes.clone();
    bytes[sample.ends[0] + 36] ^= 1;
    bytes[sample.ends[2] + 3] ^= 1;
    bytes.truncate(sample.bytes.len() - 1);
    let reading = read(&bytes);
    assert_eq!(reading.payloads, [sample.payloads[1].clone(), sample.payloads[3].clone()]);
    assert_eq!((reading.damage.len(), reading.verdict), (2, torn(sample.ends[4])));
}

#[test]
fn a_bad_header_with_a_bad_first_frame_is_read_from_the_second_when_its_salt_is_right() {
    let sample = sample();
    for (first_frame_bit, second_header_bit) in [(sample.ends[0], 3), (sample.ends[0] + 10, 29)] {
        let mut bytes = sample.bytes.clone();
        bytes[first_frame_bit] ^= 1;
        bytes[second_header_bit] ^= 1;
        let reading = read(&bytes);
        assert_eq!(reading.payloads, sample.payloads[1..]);
        assert_eq!(reading.damage, [Damage { from: 0, to: sample.ends[1] as u64, lost_frames: 1 }]);
    }
}

#[test]
fn a_bad_header_without_a_good_frame_is_unreadable() {
    let sample = sample();
    let mut bad_frame = sample.bytes[..sample.ends[1]].to_vec();
    bad_frame[0] ^= 1;
    bad_frame[40] ^= 1;
    let mut cut_frame = sample.bytes[..sample.ends[1] - 1].to_vec();
    cut_frame[30] ^= 1;
    let text = b"A text file that has lost its way, and is longer than any header could be.".to_vec();
    for bytes in [bad_frame, cut_frame, text, vec![0; HEADER_LENGTH], vec![0; 33], vec![0; 100_000]] {
        for chunk in [1, usize::MAX] {
            let reading = read_in_chunks(&bytes, chunk);
            assert_eq!((reading.payloads.len(), reading.damage.len()), (0, 0));
            assert_eq!(reading.verdict, Verdict::Unreadable);
        }
    }
}

#[test]
fn a_later_format_version_is_named_whatever_follows() {
    let mut bytes = sample().bytes;
    bytes[11] = 9;
    let checksum = crc32c::crc32c(&bytes[..28]).to_be_bytes();
    bytes[28..32].copy_from_slice(&checksum);
    let reading = read(&bytes);
    assert_eq!((reading.payloads.len(), reading.verdict), (0, Verdict::UnknownVersion { version: 9 }));
}

#[test]
fn a_claimed_length_is_believed_only_as_bytes_arrive() {
    let sample = sample();
    let from = sample.ends[4];
    for claimed in [0, LOG_FRAME_BYTES as u32, LOG_FRAME_BYTES as u32 + 1, u32::MAX] {
        let mut bytes = sample.bytes.clone();
        bytes[from..from + 4].copy_from_slice(&claimed.to_be_bytes());
        let mut reader = LogReader::new();
        reader.push(&bytes);
        while let Event::Frame { .. } = reader.poll() {}
        assert!(reader.buffer.capacity() < 10_000);
        assert_eq!(read(&bytes).verdict, torn(from));
    }
}

#[test]
fn the_longest_frame_is_read_and_its_memory_is_bounded() {
    let longest = vec![b'x'; LOG_FRAME_BYTES as usize];
    let log = write_log(SALT, &[longest.clone(), b"after".to_vec(), longest]);
    let mut reader = LogReader::new();
    let mut chunks = log.bytes.chunks(64 * 1024);
    let mut frames = 0;
    loop {
        match reader.poll() {
            Event::NeedInput => match chunks.next() {
                Some(chunk) => reader.push(chunk),
                None => reader.finish(),
            },
            Event::Frame { .. } => frames += 1,
            Event::Damage(damage) => panic!("{damage:?}"),
            Event::End(verdict) => break assert_eq!((frames, verdict), (3, clean(log.bytes.len()))),
        }
        assert!(reader.buffer.len() as u64 <= LOG_FRAME_BYTES + 2 * 64 * 1024);
    }
}

proptest! {
    #[test]
    fn whatever_overwrites_a_log_leaves_only_records_that_were_written(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 0..8),
        garbage in prop::collection::vec(any::<u8>(), 1..90),
        place in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        chunk in 1_usize..200,
    ) {
        let log = write_log(SALT, &payloads);
        let mut bytes = log.bytes.clone();
        let from = place.index(bytes.len());
        let to = bytes.len().min(from + garbage.len());
        bytes[from..to].copy_from_slice(&garbage[..to - from]);
        bytes.truncate(cut.index(bytes.len() + 1));

        let reading = read_in_chunks(&bytes, chunk);
        prop_assert_eq!(&reading.payloads[..reading.before_damage], &payloads[..reading.before_damage]);
        let mut written = payloads.iter();
        for payload in &reading.payloads {
            prop_assert!(written.any(|other| other == payload), "a record that was never written, or out of order");
        }
        // Whoever goes on in chunks of another size sees the same.
        prop_assert_eq!(reading, read(&bytes));
    }
}
