//! The ways in which a FHIR server misbehaves.

use serde_json::Value;

/// What it does when it is asked for something.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// What it should.
    Behaves,
    /// Takes the request and says nothing.
    Hangs,
    /// Sends one byte after another, and not all of them.
    Drips,
    /// Closes the connection without a word, so many times; then it behaves.
    Resets(usize),
    /// Sends without an end, after it has said how long it will be, if it says so.
    Floods { length: Option<usize> },
    /// Says only this status.
    Says(u16),
    /// Says this status and when to come back, if it says so, so many times; then it behaves.
    IsBusy { status: u16, retry_after: Option<&'static str>, times: usize },
    /// Sends this text.
    Sends(String),
    /// Sends this text, in which `{EHR}` is its own base.
    SendsOfItself(String),
    /// Sends the caller elsewhere.
    Redirects(String),
    /// Does not look at this parameter of a search, and its `self` link does not show it.
    Ignores(&'static str),
    /// Does not look at this parameter when it lists several values.
    IgnoresListsOf(&'static str),
    /// Does not look at this parameter, and has no `self` link.
    IgnoresSilently(&'static str),
    /// Has no `self` link.
    DoesNotSayWhatItSearched,
    /// Says that there is more, there.
    HasMoreAt(String),
}

impl Behaviour {
    /// Sends this resource.
    pub fn sends(resource: &Value) -> Self {
        Self::Sends(resource.to_string())
    }

    /// What it does the next time, after so many; none if it looks for what was asked for.
    pub(super) fn response(&self, before: usize, base: &str) -> Option<Response> {
        Some(match self {
            Self::Hangs => Response::Never,
            Self::Drips => Response::Drips,
            Self::Resets(times) if before < *times => Response::Resets,
            Self::Floods { length } => Response::Floods { length: *length },
            Self::Says(status) => Response::Whole(whole(*status, "", "")),
            Self::IsBusy { status, retry_after, times } if before < *times => {
                let header = retry_after.map(|after| format!("Retry-After: {after}\r\n")).unwrap_or_default();
                Response::Whole(whole(*status, &header, ""))
            }
            Self::Sends(text) => Response::Whole(whole(200, "", text)),
            Self::SendsOfItself(text) => Response::Whole(whole(200, "", &text.replace("{EHR}", base))),
            Self::Redirects(to) => Response::Whole(whole(302, &format!("Location: {to}\r\n"), "")),
            _ => return None,
        })
    }
}

pub(super) enum Response {
    Whole(String),
    Never,
    Drips,
    Floods { length: Option<usize> },
    Resets,
}

/// A whole response. Each header ends with its line.
pub(super) fn whole(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: application/fhir+json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}
