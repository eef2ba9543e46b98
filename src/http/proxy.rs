//! Proxies before us: who is one, and for whom it speaks (FAULTS T18, T19).

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};

use super::App;
use super::problem::Problem;

/// Whether a call comes by a proxy, whose connections are everybody's.
pub(super) fn is_one(app: &App, request: &HttpRequest) -> bool {
    request.peer_addr().is_some_and(|peer| app.proxies.hold(peer.ip()))
}

/// Whom a call comes from: whoever is at the other end, or for whom a proxy says that it speaks. That is the last address
/// which is none of a proxy: what stands before it is the caller's own word.
///
/// None where a proxy does not say it, or not so that it can be read: that is logged, and nobody is counted for it.
///
/// # Errors
/// [`Problem::TwoCallers`]: two headers say differently. One of them may be the caller's own word.
pub(super) fn from(app: &App, request: &HttpRequest) -> Result<Option<IpAddr>, Problem> {
    if !is_one(app, request) {
        return Ok(request.peer_addr().map(|peer| peer.ip()));
    }
    let is_proxy = |address: IpAddr| app.proxies.hold(address);
    let said = spoken_for(request.headers(), is_proxy);
    match said {
        Ok(address) => Ok(Some(address)),
        Err(Unheard::Differs) => {
            app.unheard.one(Unheard::Differs.word());
            Err(Problem::TwoCallers)
        }
        Err(why) => {
            app.unheard.one(why.word());
            Ok(None)
        }
    }
}

/// Why it cannot be told for whom a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unheard {
    /// It says nothing.
    Nothing,
    /// What it says is no address, or those of proxies alone.
    Unread,
    /// It says one thing in one header, and another in the other.
    Differs,
}

impl Unheard {
    /// Its word in the log.
    fn word(self) -> &'static str {
        match self {
            Self::Nothing => "not-said",
            Self::Unread => "not-read",
            Self::Differs => "said-differently",
        }
    }
}

fn spoken_for(headers: &HeaderMap, is_proxy: impl Fn(IpAddr) -> bool) -> Result<IpAddr, Unheard> {
    let plain = list(headers, &X_FORWARDED_FOR, |line| line.split(',').map(str::trim).map(address).collect());
    let structured = list(headers, &FORWARDED, forwarded);
    let last = |said: Vec<Option<IpAddr>>| {
        let said = said.into_iter().rev().find(|said| said.is_none_or(|address| !is_proxy(address)));
        said.flatten().ok_or(Unheard::Unread)
    };
    match (plain.map(&last), structured.map(&last)) {
        (None, None) => Err(Unheard::Nothing),
        (Some(said), None) | (None, Some(said)) => said,
        (Some(Ok(one)), Some(Ok(other))) if one == other => Ok(one),
        (Some(_), Some(_)) => Err(Unheard::Differs),
    }
}

/// What all lines of a header say, in their order; none where there is no such header. What cannot be read is none of an
/// address.
fn list(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl Fn(&str) -> Vec<Option<IpAddr>>,
) -> Option<Vec<Option<IpAddr>>> {
    headers.contains_key(name).then(|| {
        let lines = headers.get_all(name).map(|line| line.to_str().map_or_else(|_| vec![None], &read));
        lines.flatten().collect()
    })
}

/// An address as proxies write it: alone, with a port, in brackets, or both.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port)
}

/// The addresses of a line of `Forwarded` (RFC 7239), one an element. An element that does not say for whom it is, or not by
/// an address, is none.
fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    let Some(elements) = parted(line, ',') else { return vec![None] };
    elements.into_iter().map(|element| for_whom(&element)).collect()
}

fn for_whom(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in parted(element, ';')? {
        let (name, value) = pair.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for") {
            // Of two it could not be told which is meant.
            if found.is_some() {
                return None;
            }
            found = Some(address(&unquoted(value.trim())?)?);
        }
    }
    found
}

/// A text in parts, with what is quoted left whole; none if a quotation does not end.
fn parted(text: &str, at: char) -> Option<Vec<String>> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut quoted, mut escaped) = (false, false);
    for letter in text.chars() {
        if letter == at && !quoted {
            parts.push(std::mem::take(&mut part));
            continue;
        }
        if letter == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && letter == '\\' && !escaped;
        part.push(letter);
    }
    parts.push(part);
    (!quoted).then_some(parts)
}

/// A token, or what is quoted without its quotation marks.
fn unquoted(text: &str) -> Option<String> {
    let Some(inside) = text.strip_prefix('"') else { return Some(text.to_owned()) };
    let (mut value, mut escaped) = (String::new(), false);
    for letter in inside.strip_suffix('"')?.chars() {
        if letter == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        value.push(letter);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use actix_web::http::header::HeaderValue;

    use super::*;

    /// What a proxy at 10.0.0.1 says.
    fn said(lines: &[(&'static str, &str)]) -> Result<String, Unheard> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        spoken_for(&headers, |address| address.to_string() == "10.0.0.1").map(|address| address.to_string())
    }

    #[test]
    fn t19_addresses_with_ports_and_in_brackets_are_read() {
        for (line, address) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:4711", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("192.0.2.1, 192.0.2.7:80 ,10.0.0.1:443", "192.0.2.7"),
        ] {
            assert_eq!(said(&[("x-forwarded-for", line)]).as_deref(), Ok(address), "{line}");
        }
        assert_eq!(said(&[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.7")]).unwrap(), "192.0.2.7");
    }

    #[test]
    fn t19_forwarded_is_read_as_rfc_7239_writes_it() {
        for (line, address) in [
            ("for=192.0.2.7", "192.0.2.7"),
            ("For=\"192.0.2.7:4711\"", "192.0.2.7"),
            ("proto=https;FOR=\"[2001:db8:cafe::17]:4711\";by=10.0.0.1", "2001:db8:cafe::17"),
            ("for=192.0.2.43, for=198.51.100.17;by=\"a,b;for=192.0.2.1\"", "198.51.100.17"),
            ("for=192.0.2.43 , for = \"[2001:db8::7]\", for=10.0.0.1", "2001:db8::7"),
            ("for=\"192.0.2\\.7\"", "192.0.2.7"),
        ] {
            assert_eq!(said(&[("forwarded", line)]).as_deref(), Ok(address), "{line}");
        }
    }

    #[test]
    fn t19_what_cannot_be_read_is_nobody_s_address_and_not_the_one_before_it() {
        for line in ["canary", "", "192.0.2.1, unknown", "192.0.2.1,", "192.0.2.1 192.0.2.2", "10.0.0.1", "[192.0.2.1]"]
        {
            assert_eq!(said(&[("x-forwarded-for", line)]), Err(Unheard::Unread), "{line}");
        }
        for line in [
            "for=192.0.2.1, for=unknown",
            "for=192.0.2.1, for=_hidden",
            "for=192.0.2.1, proto=https",
            "for=192.0.2.1;for=192.0.2.2",
            "for=\"192.0.2.1",
            "192.0.2.1",
            "",
        ] {
            assert_eq!(said(&[("forwarded", line)]), Err(Unheard::Unread), "{line}");
        }
        assert_eq!(said(&[]), Err(Unheard::Nothing));
    }

    #[test]
    fn t19_two_headers_must_say_the_same() {
        let both = |plain, structured| said(&[("x-forwarded-for", plain), ("forwarded", structured)]);
        assert_eq!(both("192.0.2.7:80", "for=192.0.2.7").unwrap(), "192.0.2.7");
        for structured in ["for=192.0.2.8", "for=unknown", "canary"] {
            assert_eq!(both("192.0.2.7", structured), Err(Unheard::Differs));
        }
        assert_eq!(both("unknown", "for=192.0.2.7"), Err(Unheard::Differs));
    }
}
