//! Files of resources: NDJSON, one a line, read as a stream; or one JSON document, a Bundle or a single resource.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ImportError;

/// Bytes of a line. A Coverage has one or two thousand; a line without an end must not fill the memory.
const LONGEST_LINE: u64 = 1024 * 1024;

/// Bytes of a document, which is held whole. What is larger is written as NDJSON.
const LARGEST_DOCUMENT: u64 = 256 * 1024 * 1024;

/// A resource as it stands in a file.
#[derive(Clone, Copy)]
pub(super) struct Found<'f> {
    /// The file.
    pub(super) file: &'f Path,
    /// The line it begins in.
    pub(super) line: u64,
    /// Its type.
    pub(super) kind: &'f str,
    /// Its text.
    pub(super) text: &'f str,
    /// What its Bundle calls it, if it is in one.
    pub(super) full_url: Option<&'f str>,
}

impl Found<'_> {
    /// What is wrong with it, and where in it.
    pub(super) fn unreadable(&self, place: &str, what: &'static str) -> ImportError {
        let place = if place.is_empty() { String::new() } else { format!("{place} ") };
        ImportError::Unreadable { file: self.file.to_owned(), line: self.line, place, what }
    }
}

#[derive(Deserialize)]
struct Kind<'f> {
    #[serde(borrow, rename = "resourceType")]
    kind: Option<Cow<'f, str>>,
}

#[derive(Deserialize)]
struct Bundle<'f> {
    #[serde(borrow)]
    entry: Option<Vec<Entry<'f>>>,
}

#[derive(Deserialize)]
struct Entry<'f> {
    #[serde(borrow, rename = "fullUrl")]
    full_url: Option<Cow<'f, str>>,
    #[serde(borrow)]
    resource: Option<&'f RawValue>,
}

type Visit<'v> = dyn FnMut(Found<'_>) -> Result<(), ImportError> + 'v;

/// Visits each resource of a file in its order; the bytes that were read. `progress` hears of them as they are.
pub(super) fn each(path: &Path, visit: &mut Visit<'_>, progress: &mut dyn FnMut(u64)) -> Result<u64, ImportError> {
    let failed = |error: std::io::Error| ImportError::File { file: path.to_owned(), kind: error.kind() };
    let mut file = BufReader::with_capacity(256 * 1024, File::open(path).map_err(failed)?);
    let (mut line, mut number, mut read) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        let length = (&mut file).take(LONGEST_LINE + 1).read_until(b'\n', &mut line).map_err(failed)? as u64;
        (number, read) = (number + 1, read + length);
        if length == 0 {
            return Ok(read);
        }
        let here = Found { file: path, line: number, kind: "", text: "", full_url: None };
        let too_long = length > LONGEST_LINE;
        let blank = line.iter().all(u8::is_ascii_whitespace);
        if read == length && !blank {
            // The first line says what the file is: a resource of its own, or the beginning of a document.
            let kind = kind(&line).filter(|kind| !too_long && kind != "Bundle");
            if kind.is_none() {
                (&mut file).take(LARGEST_DOCUMENT).read_to_end(&mut line).map_err(failed)?;
                if line.len() as u64 > LARGEST_DOCUMENT {
                    return Err(here.unreadable("", "is too large for a document; write one resource a line"));
                }
                document(path, &line, visit)?;
                progress(line.len() as u64);
                return Ok(line.len() as u64);
            }
        }
        progress(length);
        if too_long {
            return Err(here.unreadable("", "is too long"));
        }
        if blank {
            continue;
        }
        let text = std::str::from_utf8(&line).map_err(|_| here.unreadable("", "is not UTF-8"))?.trim();
        resource(text, here, visit)?;
    }
}

fn kind(text: &[u8]) -> Option<String> {
    serde_json::from_slice::<Kind<'_>>(text).ok()?.kind.map(Cow::into_owned)
}

fn document(path: &Path, bytes: &[u8], visit: &mut Visit<'_>) -> Result<(), ImportError> {
    let mut here = Found { file: path, line: 1, kind: "", text: "", full_url: None };
    let text = std::str::from_utf8(bytes).map_err(|_| here.unreadable("", "is not UTF-8"))?;
    let broken = |error: serde_json::Error| {
        let here = Found { line: error.line() as u64, ..here };
        here.unreadable("", if error.is_data() { "is no FHIR resource" } else { "is not JSON" })
    };
    let outer: Kind<'_> = serde_json::from_str(text).map_err(broken)?;
    if outer.kind.as_deref() != Some("Bundle") {
        return resource(text.trim(), here, visit);
    }
    let bundle: Bundle<'_> = serde_json::from_str(text).map_err(broken)?;
    let mut seen = 0;
    for entry in bundle.entry.unwrap_or_default() {
        let Some(inner) = entry.resource.map(RawValue::get) else { continue };
        // Its text is a part of the document's, so it begins where it lies.
        let start = (inner.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let before = bytes.get(seen..start).unwrap_or_default();
        here.line += before.iter().filter(|byte| **byte == b'\n').count() as u64;
        seen = start;
        resource(inner, Found { full_url: entry.full_url.as_deref(), ..here }, visit)?;
    }
    Ok(())
}

fn resource(text: &str, here: Found<'_>, visit: &mut Visit<'_>) -> Result<(), ImportError> {
    let outer: Kind<'_> = serde_json::from_str(text)
        .map_err(|error| here.unreadable("", if error.is_data() { "is no FHIR resource" } else { "is not JSON" }))?;
    let Some(kind) = outer.kind else { return Err(here.unreadable("resourceType", "is not there")) };
    visit(Found { kind: &kind, text, ..here })
}

untold!(Found<'_>);
