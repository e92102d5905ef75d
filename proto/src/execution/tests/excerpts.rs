//! Stored results without some of their artifacts.

use super::*;
use crate::text::Text;

fn excerpt(bytes: &[u8], keep: impl Fn(&Text) -> bool) -> Result<(Vec<u8>, Excerpt), ReadError<Infallible>> {
    let stored = StoredExecution::open(bytes, bytes.len() as u64)?;
    let excerpt = Excerpt::new(&bytes, &stored, keep)?;
    let mut copy = Vec::new();
    excerpt.read::<_, ReadError<Infallible>>(&bytes, |block| {
        copy.extend_from_slice(block);
        Ok(())
    })?;
    assert_eq!(copy.len() as u64, excerpt.length);
    Ok((copy, excerpt))
}

fn is_no_binary(path: &Text) -> bool {
    !path.as_bytes().starts_with(b"bin/")
}

#[test]
fn an_excerpt_is_what_would_have_been_stored_without_these_artifacts() {
    let files =
        [file("a", b"1"), file("bin/x", &[7; 300]), file("b", &[8; 200]), file("c", b""), file("bin/y", b"")];
    let all = execution(vec![line(1, "hello")], files.to_vec());
    let some = execution(all.console.clone(), vec![files[0].clone(), files[2].clone(), files[3].clone()]);
    let bytes = all.encode().unwrap();
    let (copy, made) = excerpt(&bytes, is_no_binary).unwrap();
    assert_eq!(copy, some.encode().unwrap());
    assert_eq!(made.left_out, 2);
    let none = execution(all.console.clone(), vec![]);
    assert_eq!(excerpt(&bytes, |_| false).unwrap().0, none.encode().unwrap());
    assert_eq!(excerpt(&none.encode().unwrap(), |_| false).unwrap().0, none.encode().unwrap());
}

#[test]
fn an_excerpt_with_everything_is_the_original() {
    let bytes = execution(vec![line(1, "a")], vec![file("bin/x", &[0; 100_000])]).encode().unwrap();
    let (copy, made) = excerpt(&bytes, |_| true).unwrap();
    assert!(copy == bytes);
    assert_eq!(made.left_out, 0);
}

#[test]
fn damage_among_the_artifacts_is_not_passed_on() {
    let mut bytes = execution(vec![], vec![file("a", b"x"), file("bin/x", b"x")]).encode().unwrap();
    let place = bytes.windows(5).position(|window| window == b"bin/x").unwrap();
    bytes[place - 2] = 0x04;
    assert!(excerpt(&bytes, is_no_binary).unwrap_err().to_string().contains("artifact path"));
}

#[test]
fn a_stored_result_is_known_by_how_it_begins() {
    assert!(StoredExecution::begins(&execution(vec![], vec![]).encode().unwrap()));
    assert!(!StoredExecution::begins(b"stored result"));
    assert!(!StoredExecution::begins(b""));
}

proptest! {
    #[test]
    fn excerpts_agree_with_the_whole_encoder(
        lines in prop::collection::vec((-200_i64..200, prop::collection::vec(any::<u8>(), 0..200)), 0..5),
        files in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..70_000)), 0..8),
    ) {
        let name = |number: usize, binary: bool| format!("{}{number}", if binary { "bin/" } else { "" });
        let console: Vec<_> = lines.into_iter().map(|(delta, bytes)| line(delta, bytes)).collect();
        let output: Vec<_> = files
            .into_iter()
            .enumerate()
            .map(|(number, (binary, data))| file(&name(number, binary), &data))
            .collect();
        let kept = output.iter().filter(|file| is_no_binary(&file.path)).cloned().collect();
        let bytes = execution(console.clone(), output).encode().unwrap();
        let expected = execution(console, kept).encode().unwrap();
        prop_assert!(excerpt(&bytes, is_no_binary).unwrap().0 == expected);
    }
}
