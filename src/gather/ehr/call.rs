//! One GET: within its deadline and its bytes, not redirected, and repeated once where that may help.

use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::Way;
use super::budget::Budget;
use crate::gather::learned::Failure;
use crate::outbound;
use crate::telemetry;

/// What is waited before asking again, if the server does not say.
const PAUSE: Duration = Duration::from_millis(50);

/// Memory that is held ready for a body before it comes, whatever length it is said to have.
const AT_ONCE: usize = 64 * 1024;

/// What came of a call.
pub(super) enum Got {
    Body(Vec<u8>),
    /// 404 or 410.
    Gone,
}

/// Why there is nothing.
enum Trouble {
    /// The server works; its answer is of no use.
    Answered(Failure),
    /// Nothing is known of the server from this.
    Untold(Failure),
    /// The server does not work.
    Down(Failure),
    /// The server does not work just now: it may in a moment.
    Again(Duration),
    /// There is no connection to it just now: there may be one in a moment.
    Away(Duration),
}

/// What one question may use up, whatever calls it takes.
pub(super) struct Question<'a> {
    pub(super) client: &'a Client,
    pub(super) way: &'a Way,
    pub(super) until: Instant,
    /// A call that had less time than this does not tell that the server is too slow.
    pub(super) fair: Duration,
    /// Bytes that may still come.
    pub(super) left: usize,
    /// Whether the server has begun to answer the last call.
    pub(super) connected: bool,
}

impl Question<'_> {
    /// Calls, and counts what came of it: that there is no connection for the origin, all else for the caller alone.
    pub(super) async fn get(&mut self, url: &Url) -> Result<Got, Failure> {
        if Instant::now() >= self.until {
            return Err(Failure::Late);
        }
        let leave = self.way.circuit.enter().ok_or(Failure::Open)?;
        let connection = self.way.server.connections.enter().ok_or(Failure::Open)?;
        let mut got = self.attempt(url).await;
        if let Err(Trouble::Again(pause) | Trouble::Away(pause)) = got
            && let Some(then) = Instant::now().checked_add(pause).filter(|then| *then < self.until)
        {
            tokio::time::sleep_until(then.into()).await;
            got = self.attempt(url).await;
        }
        let is_away = matches!(got, Err(Trouble::Away(_)));
        if self.connected {
            connection.answered();
        } else if is_away && connection.failed() {
            telemetry::ehr_left_alone(&self.way.server.origin);
        }
        let failure = match got {
            Ok(got) => {
                leave.answered();
                return Ok(got);
            }
            Err(Trouble::Answered(failure)) => {
                leave.answered();
                return Err(failure);
            }
            Err(Trouble::Untold(failure)) => return Err(failure),
            Err(Trouble::Away(_)) => return Err(Failure::Unreachable),
            Err(Trouble::Down(failure)) => failure,
            Err(Trouble::Again(_)) => Failure::Unreachable,
        };
        if leave.failed() {
            telemetry::ehr_left_alone(&self.way.server.origin);
        }
        Err(failure)
    }

    async fn attempt(&mut self, url: &Url) -> Result<Got, Trouble> {
        if self.way.has_expired() {
            return Err(Trouble::Untold(Failure::Expired));
        }
        self.connected = false;
        let started = Instant::now();
        let call = self.client.get(url.clone()).header(AUTHORIZATION, self.way.authorization.clone());
        let call = call.header(ACCEPT, "application/fhir+json").send();
        let (left, connected, budget) = (&mut self.left, &mut self.connected, &*self.way.budget);
        let whole = async {
            let response = call.await.map_err(|error| broken(&error))?;
            *connected = true;
            answer(response, left, budget).await
        };
        let late = |_| {
            let fair = started.elapsed() >= self.fair;
            Err(if fair { Trouble::Down(Failure::Late) } else { Trouble::Untold(Failure::Late) })
        };
        tokio::time::timeout_at(self.until.into(), whole).await.unwrap_or_else(late)
    }
}

async fn answer(response: Response, left: &mut usize, budget: &Budget) -> Result<Got, Trouble> {
    let status = response.status();
    match status {
        status if status.is_success() => body(response, left, budget).await.map(Got::Body),
        status if status.is_redirection() => Err(Trouble::Answered(Failure::TooMuch)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Trouble::Answered(Failure::Refused)),
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Got::Gone),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Err(Trouble::Again(pause(&response))),
        status if status.is_server_error() => Err(Trouble::Down(Failure::Unreachable)),
        _ => Err(Trouble::Answered(Failure::Unreachable)),
    }
}

/// The body, counted as it comes: what a server says of its length is only a reason not to begin.
async fn body(mut response: Response, left: &mut usize, budget: &Budget) -> Result<Vec<u8>, Trouble> {
    let too_much = || Trouble::Answered(Failure::TooMuch);
    let length = response.content_length().map(usize::try_from);
    let length = length.transpose().map_err(|_| too_much())?.unwrap_or_default();
    if length > *left {
        return Err(too_much());
    }
    let mut body = Vec::with_capacity(length.min(AT_ONCE));
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
        *left = left.checked_sub(chunk.len()).ok_or_else(too_much)?;
        if !budget.takes(chunk.len()) {
            return Err(too_much());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// How long a server asks to be left alone. A date, or what is no number, is longer than can be waited.
fn pause(response: &Response) -> Duration {
    let Some(said) = response.headers().get(RETRY_AFTER) else { return PAUSE };
    let seconds = said.to_str().ok().and_then(|said| said.trim().parse().ok());
    seconds.map_or(Duration::MAX, Duration::from_secs)
}

/// A connection that failed: by the server, or because it would have led to where it may not.
fn broken(error: &reqwest::Error) -> Trouble {
    if outbound::was_private(error) {
        return Trouble::Untold(Failure::NotRegistered);
    }
    if error.is_connect() { Trouble::Away(PAUSE) } else { Trouble::Again(PAUSE) }
}

untold!(Got);
