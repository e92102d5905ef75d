//! One large artifact on its way to a client, which verifies it.

use super::artifact::{GIBIBYTE, gibibytes, medians, speed, store, watch};
use super::{Bench, is_small, results};
use crate::bare::relay::relay_time;
use crate::failure::{During, Failure, Outcome};
use crate::seed::seed_jobs;
use crate::statistics::{median, time};
use crate::table::{Line, mebibytes};
use std::fs;

/// Through `builder-client fetch`, from its start to its end.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let length = bench.pick(4 * GIBIBYTE, GIBIBYTE / 16);
    let site = bench.site()?;
    seed_jobs(&site, 1, "true", true)?;
    let server = site.start_for_viewers()?;
    store(&server, length)?;
    let stored = results(&site)?.pop().ok_or_else(|| Failure::new("the artifact is not stored"))?;
    let uuid = stored.parent().and_then(|build| build.file_name()).map(|name| name.to_os_string());
    let uuid = uuid.ok_or_else(|| Failure::new("the stored artifact has no uuid"))?;
    let (mut speeds, mut client_peak) = (Vec::new(), None);
    for _ in 0..bench.pick(3, 1) {
        let bare = relay_time(&stored, &site.path("copy"))?;
        let target = site.path("fetched");
        let mut command = site.client_command();
        command.arg("fetch").arg(&uuid).arg("--output").arg(&target);
        let (peak, fetched) = time(|| watch(command.spawn().during("start the client")?))?;
        client_peak = client_peak.max(peak);
        speeds.push((speed(length, fetched), speed(length, bare)));
        let size = fs::metadata(target.join("bin/artifact")).during("look at what was fetched")?.len();
        if size != length {
            return Err(Failure::new(format_args!("{size} bytes were fetched, not {length}")));
        }
        fs::remove_dir_all(target).during("remove what was fetched")?;
    }
    fs::remove_file(stored).during("remove the result")?;
    let peak = server.process().peak_memory();
    let (measured, bare) = medians(&speeds);
    let ratio = median(speeds.iter().map(|(measured, bare)| measured / bare));
    Ok(vec![Line {
        work: format!("`builder-client fetch` of {} with SHA-256", gibibytes(length)),
        reach: "≥ 0.8 × bare copy; server and client ≤ 16 MiB".to_owned(),
        measured: format!("{measured:.2} GiB/s, client {}", mebibytes(client_peak)),
        beside: format!("file to socket to file {bare:.2} GiB/s"),
        ratio: Some(ratio),
        peak,
        is_reached: ratio >= 0.8 && is_small(peak) && is_small(client_peak),
    }])
}
