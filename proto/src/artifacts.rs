//! Artifacts that are looked at while they pass by, wherever they come from.

/// Looks at the artifacts of one build after the other, without holding them.
///
/// For each there is one [`begin`](Self::begin), its content in order, and one [`end`](Self::end). How they are cut
/// into pieces changes nothing but how often [`content`](Self::content) is called.
///
/// ```
/// use builder_proto::artifacts::ArtifactVisitor;
/// use builder_proto::finished::{FinishedError, FinishedWalker};
///
/// /// Prints the name of each artifact.
/// struct Names;
///
/// impl ArtifactVisitor for Names {
///     fn begin(&mut self, path: &[u8], size: u64) {
///         println!("{} ({size} bytes)", path.escape_ascii());
///     }
///     fn content(&mut self, _bytes: &[u8]) {}
///     fn end(&mut self) {}
/// }
///
/// fn print_names(walker: &mut FinishedWalker, piece: &[u8]) -> Result<(), FinishedError> {
///     let mut rest = piece;
///     while !rest.is_empty() {
///         let (taken, _) = walker.push_to(rest, &mut Names)?;
///         rest = &rest[taken..];
///     }
///     Ok(())
/// }
/// ```
pub trait ArtifactVisitor {
    /// The next artifact has this path and so many bytes of content. The path is not empty and without NUL; nothing
    /// else is certain.
    fn begin(&mut self, path: &[u8], size: u64);

    /// The next bytes of its content; never empty.
    fn content(&mut self, bytes: &[u8]);

    /// All of its content was there.
    fn end(&mut self);
}

/// For whoever does not look.
impl ArtifactVisitor for () {
    fn begin(&mut self, _path: &[u8], _size: u64) {}

    fn content(&mut self, _bytes: &[u8]) {}

    fn end(&mut self) {}
}
