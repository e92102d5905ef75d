//! Addresses of pages, and what is in an address.

use builder_engine::dashboard::http::{percent_encode, query_fields};
use builder_engine::dashboard::snapshot::Snapshot;
use builder_proto::Uuid;
use builder_proto::text::Text;

/// Makes addresses that lead from one page to another.
#[derive(Clone, Debug)]
pub(super) struct Links {
    /// What every address begins with. On the overview, of which all others are beneath, nothing.
    root: String,
}

impl Links {
    /// Addresses that are the same everywhere.
    pub(super) fn absolute(base: &str) -> Links {
        Links { root: format!("{base}/") }
    }

    /// Addresses for the overview, which are short.
    pub(super) fn relative() -> Links {
        Links { root: String::new() }
    }

    pub(super) fn overview(&self) -> &str {
        if self.root.is_empty() { "./" } else { &self.root }
    }

    pub(super) fn job(&self, name: &Text) -> String {
        format!("{}job/{}", self.root, percent_encode(name.as_bytes()))
    }

    pub(super) fn job_on(&self, name: &Text, platform: Option<&Text>) -> String {
        with_platform(self.job(name), platform)
    }

    pub(super) fn latest(&self, name: &Text, platform: Option<&Text>) -> String {
        with_platform(self.job(name) + "/latest", platform)
    }

    pub(super) fn feed(&self) -> String {
        format!("{}feed.atom", self.root)
    }

    pub(super) fn job_feed(&self, name: &Text) -> String {
        self.job(name) + "/feed.atom"
    }

    pub(super) fn badge(&self, name: &Text, platform: Option<&Text>) -> String {
        with_platform(self.job(name) + "/badge.svg", platform)
    }

    pub(super) fn build(&self, uuid: Uuid) -> String {
        format!("{}build/{uuid}", self.root)
    }

    /// The page of the build on which a line is, and the line there.
    pub(super) fn line(&self, uuid: Uuid, number: u64) -> String {
        format!("{}?line={number}#L{number}", self.build(uuid))
    }

    pub(super) fn lines_from(&self, uuid: Uuid, number: u64) -> String {
        format!("{}?from={number}#console", self.build(uuid))
    }

    pub(super) fn live(&self, uuid: Uuid, from: u64) -> String {
        format!("{}/live?from={from}", self.build(uuid))
    }

    pub(super) fn console_text(&self, uuid: Uuid) -> String {
        self.build(uuid) + "/console.txt"
    }

    pub(super) fn diff(&self, uuid: Uuid) -> String {
        self.build(uuid) + "/diff"
    }

    pub(super) fn diff_with(&self, uuid: Uuid, with: Uuid) -> String {
        format!("{}?with={with}", self.diff(uuid))
    }

    /// The slashes of a path stay what they are, unless a browser would take one of its parts for the way back or for nothing.
    pub(super) fn artifact(&self, uuid: Uuid, path: &Text) -> String {
        let parts = path.as_bytes().split(|byte| *byte == b'/');
        let is_plain = parts.clone().all(|part| !matches!(part, b"" | b"." | b".."));
        let separator = if is_plain { "/" } else { "%2F" };
        let encoded: Vec<String> = parts.map(percent_encode).collect();
        format!("{}/artifact/{}", self.build(uuid), encoded.join(separator))
    }

    pub(super) fn asset(&self, name: &str) -> String {
        format!("{}assets/{name}", self.root)
    }

    pub(super) fn api_overview(&self) -> String {
        format!("{}api/overview", self.root)
    }

    pub(super) fn api_job(&self, name: &Text) -> String {
        format!("{}api/job/{}", self.root, percent_encode(name.as_bytes()))
    }

    pub(super) fn api_build(&self, uuid: Uuid) -> String {
        format!("{}api/build/{uuid}", self.root)
    }

    pub(super) fn metrics(&self) -> String {
        format!("{}metrics", self.root)
    }

    /// Where changes of the overview are told.
    pub(super) fn live_overview(&self, snapshot: &Snapshot) -> String {
        format!("{}live?since={}", self.root, snapshot.revision)
    }
}

fn with_platform(address: String, platform: Option<&Text>) -> String {
    match platform {
        Some(platform) => format!("{address}?platform={}", percent_encode(platform.as_bytes())),
        None => address,
    }
}

/// What stands behind the question mark, as forms send it.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(Vec<u8>, Vec<u8>)>);

impl Parameters {
    pub(super) fn parse(query: Option<&str>) -> Parameters {
        Parameters(query_fields(query.unwrap_or_default()).collect())
    }

    /// What a parameter is, unless it is empty, as it is when a field of a form was not filled in.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let value =
            self.0.iter().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| value.as_slice());
        value.filter(|value| !value.is_empty())
    }

    pub(super) fn text(&self, name: &str) -> Option<Text> {
        self.get(name).map(Text::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_a_path_unless_a_browser_would_shorten_it() {
        let links = Links::absolute("/ci");
        let address = |path: &str| links.artifact(Uuid::nil(), &path.into());
        let head = "/ci/build/00000000-0000-0000-0000-000000000000/artifact/";
        assert_eq!(address("bin/a b.txt"), format!("{head}bin/a%20b.txt"));
        assert_eq!(address("../../etc/passwd"), format!("{head}..%2F..%2Fetc%2Fpasswd"));
        assert_eq!(address("/a//b"), format!("{head}%2Fa%2F%2Fb"));
    }

    #[test]
    fn parameters_are_read_as_forms_send_them() {
        let parameters = Parameters::parse(Some("find=a+b%2Bc&empty=&platform=p%FF&find=again"));
        assert_eq!(parameters.get("find"), Some(&b"a b+c"[..]));
        assert_eq!(parameters.get("empty"), None);
        assert_eq!(parameters.text("platform"), Some(b"p\xff"[..].into()));
        assert_eq!(Parameters::parse(None).get("find"), None);
    }
}
