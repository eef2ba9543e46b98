//! The files that pages load: embedded, and named by their content, so that a browser asks once.

use std::fmt::Write;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// A file.
#[derive(Debug)]
pub struct Asset {
    /// Its name under `/assets/`.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What is in it.
    pub body: &'static str,
    /// What it is known by: a hash of what is in it, in quotes, as `ETag` has it.
    pub tag: String,
}

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let files = [
        ("page.css", CSS, include_str!("assets/page.css")),
        ("desk.css", CSS, include_str!("assets/desk.css")),
        ("desk.js", SCRIPT, include_str!("assets/desk.js")),
        ("request.js", SCRIPT, include_str!("assets/request.js")),
        ("answer.js", SCRIPT, include_str!("assets/answer.js")),
        ("show.js", SCRIPT, include_str!("assets/show.js")),
        ("ops.css", CSS, include_str!("assets/ops.css")),
        ("policy.css", CSS, include_str!("assets/policy.css")),
        ("mark.svg", SVG, include_str!("assets/mark.svg")),
    ];
    let asset = |(name, media_type, body): (&'static str, &'static str, &'static str)| Asset {
        name,
        media_type,
        body,
        tag: tag(body),
    };
    files.map(asset).into_iter().collect()
});

/// The file of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

fn tag(body: &str) -> String {
    let hash = Sha256::digest(body.as_bytes());
    let mut tag = String::from("\"");
    for byte in hash.iter().take(12) {
        // Writing to a string does not fail.
        _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}
