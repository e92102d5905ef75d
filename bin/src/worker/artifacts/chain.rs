//! How the walk came to a directory, so that links cannot lead it in circles.

use std::rc::Rc;

/// The directories above the present one, as the walk saw them.
///
/// Without links, these are the prefixes of the path. Each link to a directory begins a new piece: from where the
/// link led to down to where the next link was.
#[derive(Clone, Debug)]
pub(super) struct Chain(Rc<Piece>);

#[derive(Debug)]
struct Piece {
    /// The real path with which the piece begins.
    entered: Vec<u8>,
    /// The piece before, and the real path of the directory that held the link.
    before: Option<(Chain, Vec<u8>)>,
}

impl Chain {
    /// The chain of the root.
    pub(super) fn root() -> Self {
        Self(Rc::new(Piece { entered: Vec::new(), before: None }))
    }

    /// The chain below a link in the directory at `left` that leads to `entered`.
    pub(super) fn through_link(&self, left: &[u8], entered: &[u8]) -> Self {
        let before = Some((self.clone(), left.to_vec()));
        Self(Rc::new(Piece { entered: entered.to_vec(), before }))
    }

    /// Whether the directory at `candidate` lies above or at `current`, to which this chain belongs.
    pub(super) fn contains(&self, current: &[u8], candidate: &[u8]) -> bool {
        let mut piece = &self.0;
        let mut last = current;
        loop {
            if is_at_or_above(candidate, last) && is_at_or_above(&piece.entered, candidate) {
                return true;
            }
            let Some((before, left)) = &piece.before else { return false };
            piece = &before.0;
            last = left;
        }
    }
}

fn is_at_or_above(upper: &[u8], lower: &[u8]) -> bool {
    upper.is_empty()
        || lower.strip_prefix(upper).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_links_the_prefixes_are_above() {
        let chain = Chain::root();
        for above in ["", "a", "a/b", "a/b/c"] {
            assert!(chain.contains(b"a/b/c", above.as_bytes()), "{above}");
        }
        for beside in ["b", "a/bb", "a/b/c/d", "a/b/x"] {
            assert!(!chain.contains(b"a/b/c", beside.as_bytes()), "{beside}");
        }
    }

    #[test]
    fn behind_a_link_only_what_was_passed_is_above() {
        // Root, a, and the link a/link that leads to x/y/z; the walk is now in x/y/z/w.
        let chain = Chain::root().through_link(b"a", b"x/y/z");
        for above in ["", "a", "x/y/z", "x/y/z/w"] {
            assert!(chain.contains(b"x/y/z/w", above.as_bytes()), "{above}");
        }
        for beside in ["x", "x/y", "a/link"] {
            assert!(!chain.contains(b"x/y/z/w", beside.as_bytes()), "{beside}");
        }
    }
}
