//! Around every call of the public listener: who may speak to it at all, and that connections end when it stops.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::http::header::HOST;
use actix_web::middleware::Next;
use actix_web::web::{Data, Payload};
use uuid::Uuid;

use super::problem::Problem;
use super::{App, body};
use crate::auth::AuthError;
use crate::telemetry;

/// Headers by which a proxy says that it speaks for somebody else, beside all that begin with [`FORWARDING`].
const FORWARDED: [&str; 7] =
    ["forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip"];

/// How the others begin.
const FORWARDING: [&str; 2] = ["x-forwarded", "x-original"];

/// Refuses who may not speak here before anything of what is sent is looked at. While the server stops, each connection is
/// closed after the reply to its next call, so that none is cut off between two calls.
pub(super) async fn around(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, actix_web::Error> {
    let app = request.app_data::<Data<App>>().cloned();
    if let Some((problem, why)) = app.as_ref().and_then(|app| stranger(app, &request)) {
        let call = Uuid::new_v4().to_string();
        telemetry::not_admitted(&call, why);
        let payload = request.extract::<Payload>().await?;
        let response = body::leave(payload, problem.response(&call));
        return Ok(request.into_response(response).map_into_right_body());
    }
    let mut response = next.call(request).await?;
    if app.is_some_and(|app| app.is_stopping()) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response.map_into_left_body())
}

/// Why whoever calls may not speak here, if so.
///
/// Where proxies alone speak TLS, what comes from anybody else could be read on its way (FAULTS T18). Where nobody is
/// registered only this machine is answered, asked directly: a proxy before it, or a page whose name leads here, would open
/// it to others (FAULTS T20).
fn stranger(app: &App, request: &ServiceRequest) -> Option<(Problem, &'static str)> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    let is_proxy = peer.is_some_and(|peer| app.proxies.hold(peer));
    if !app.proxies.is_empty() && app.tls.is_none() && !is_proxy {
        return Some((Problem::NotTheProxy, "not-a-proxy"));
    }
    let is_here = peer.is_some_and(|peer| peer.to_canonical().is_loopback()) && !is_proxy;
    if app.doorman.is_none() && !(is_here && is_direct(request)) {
        return Some((Problem::Unknown(AuthError::NotLocal), "not-local"));
    }
    None
}

/// Whether nothing of a call says that it is passed on, and every host that it names is this machine.
fn is_direct(request: &ServiceRequest) -> bool {
    let is_forwarding =
        |name: &str| FORWARDED.contains(&name) || FORWARDING.iter().any(|beginning| name.starts_with(beginning));
    let hosts = request.headers().get_all(HOST).map(|host| host.to_str().unwrap_or_default());
    !request.headers().keys().any(|name| is_forwarding(name.as_str()))
        && hosts.chain(request.uri().authority().map(|it| it.as_str())).all(is_own)
}

/// Whether a host, with or without a port, is this machine by its own names.
fn is_own(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let literal = name.strip_prefix('[').and_then(|it| it.strip_suffix(']')).map(str::parse::<Ipv6Addr>);
    match (literal, name.parse::<Ipv4Addr>()) {
        (Some(Ok(address)), _) => IpAddr::V6(address).to_canonical().is_loopback(),
        (None, Ok(address)) => address.is_loopback(),
        _ => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn t20_only_names_of_this_machine_are_own_hosts() {
        for own in [
            "localhost",
            "LocalHost:8633",
            "127.0.0.1",
            "127.0.0.1:8633",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:8633",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(is_own(own), "{own}");
        }
        for foreign in [
            "",
            ":8633",
            "crd.payer.example",
            "localhost.evil.example",
            "localhost:8633@evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:x",
            "192.0.2.1:8633",
            "0.0.0.0",
            "::1",
            "[::1",
            "[::2]",
            "2130706433",
            "localhost, evil.example",
        ] {
            assert!(!is_own(foreign), "{foreign}");
        }
    }
}
