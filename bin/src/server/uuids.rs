//! Random names of builds.

use builder_proto::Uuid;

/// Random uuids, made from randomness that is fetched for many at once. Ends while the system has none to give.
pub(crate) fn random_uuids() -> impl Iterator<Item = Uuid> {
    let mut pool = [0; 16 * 64];
    let mut used = pool.len();
    std::iter::from_fn(move || {
        if used == pool.len() {
            if let Err(error) = getrandom::fill(&mut pool) {
                log::error!("no randomness for the uuid of a build: {error}");
                return None;
            }
            used = 0;
        }
        let bytes = pool.get(used..used + 16)?.first_chunk()?;
        used += 16;
        Some(uuid::Builder::from_random_bytes(*bytes).into_uuid())
    })
}
