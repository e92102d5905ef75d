//! The style sheet, the script and the icon. What is in them stands in their addresses, so that browsers may keep them for ever.

use builder_engine::dashboard::http::{Caching, Response};

/// A file that goes with the pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    stem: &'static str,
    extension: &'static str,
    content_type: &'static str,
    content: &'static str,
    hash: u64,
}

pub(super) const STYLE: Asset =
    Asset::new("style", "css", "text/css; charset=utf-8", include_str!("../assets/style.css"));
pub(super) const SCRIPT: Asset =
    Asset::new("script", "js", "text/javascript; charset=utf-8", include_str!("../assets/script.js"));
pub(super) const ICON: Asset = Asset::new("icon", "svg", "image/svg+xml", include_str!("../assets/icon.svg"));

impl Asset {
    const fn new(
        stem: &'static str,
        extension: &'static str,
        content_type: &'static str,
        content: &'static str,
    ) -> Asset {
        Asset { stem, extension, content_type, content, hash: hash(content.as_bytes()) }
    }

    /// What it is called in an address.
    pub(super) fn name(&self) -> String {
        let Asset { stem, extension, hash, .. } = self;
        format!("{stem}-{hash:016x}.{extension}")
    }

    pub(super) fn response(&self, caching: Caching) -> Response {
        Response { caching, ..Response::new(200, self.content_type, self.content.as_bytes()) }
    }
}

/// The file of this name.
pub(super) fn find(name: &str) -> Option<Asset> {
    [STYLE, SCRIPT, ICON].into_iter().find(|asset| asset.name() == name)
}

/// FNV-1a. It tells versions of one file from each other, and has no other duty.
const fn hash(mut bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    while let [first, rest @ ..] = bytes {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
        bytes = rest;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_file_stands_in_its_name() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8, "from the page of its authors");
        let found = find(&STYLE.name()).unwrap();
        assert_eq!(found.response(Caching::Forever).body[..], *STYLE.content.as_bytes());
        assert!(find("style-0000000000000000.css").is_none());
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for asset in [STYLE, SCRIPT, ICON] {
            let content = asset.content.replace("http://www.w3.org/2000/svg", "");
            assert!(!content.contains("//") || !content.contains("http"), "{}", asset.name());
            assert!(!content.contains("@import") && !content.contains("url("), "{}", asset.name());
        }
    }
}
