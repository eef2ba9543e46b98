//! Proxies before us: who is one, and for whom it speaks (FAULTS T18).

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::X_FORWARDED_FOR;
use actix_web::middleware::Next;
use actix_web::web::{Data, Payload};
use uuid::Uuid;

use super::problem::Problem;
use super::{App, body};
use crate::telemetry;

/// Refuses whoever is none of the proxies, where what comes from anybody else could be read on its way: nothing of what is
/// sent is looked at.
pub(super) async fn only_by_proxy(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, actix_web::Error> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    let is_open = request.app_data::<Data<App>>().is_none_or(|app| {
        let only_proxies = !app.proxies.is_empty() && app.tls.is_none();
        !only_proxies || peer.is_some_and(|peer| app.proxies.hold(peer))
    });
    if is_open {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let call = Uuid::new_v4().to_string();
    telemetry::not_admitted(&call, "not-a-proxy");
    let payload = request.extract::<Payload>().await?;
    let response = body::leave(payload, Problem::NotTheProxy.response(&call));
    Ok(request.into_response(response).map_into_right_body())
}

/// Whether a call comes by a proxy, whose connections are everybody's.
pub(super) fn is_one(app: &App, request: &HttpRequest) -> bool {
    request.peer_addr().is_some_and(|peer| app.proxies.hold(peer.ip()))
}

/// Whom a call comes from: whoever is at the other end, or for whom a proxy says that it speaks. That is the last address
/// which is none of a proxy: what stands before it is the caller's own word. None where a proxy does not say.
pub(super) fn from(app: &App, request: &HttpRequest) -> Option<IpAddr> {
    if !is_one(app, request) {
        return request.peer_addr().map(|peer| peer.ip());
    }
    let lines = request.headers().get_all(X_FORWARDED_FOR).filter_map(|line| line.to_str().ok());
    let said: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
    let said = said.iter().rev().map(|address| address.trim().parse::<IpAddr>().ok());
    said.take_while(Option::is_some).flatten().find(|address| !app.proxies.hold(*address))
}
