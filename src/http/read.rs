//! What is only read: by GET, and by HEAD, which gets the same headers without the body.

use actix_web::guard;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, Resource, Responder, Route};

/// What `Allow` says of it.
pub(super) const ALLOWED: &str = "GET, HEAD";

/// Serves a path to whoever reads it, and everything else there by `otherwise`.
pub(super) fn only<F, A>(config: &mut ServiceConfig, path: &str, handler: F, otherwise: Route)
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    config.service(resource(path, handler, otherwise));
}

/// A path that is only read.
///
/// Every route that is only read is made here, so that none can leave HEAD out (RFC 9110, 9.3.2).
pub(super) fn resource<F, A>(path: &str, handler: F, otherwise: Route) -> Resource
where
    F: Handler<A>,
    A: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let reads = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path).route(web::route().guard(reads).to(handler)).default_service(otherwise)
}
