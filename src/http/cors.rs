//! Browsers from elsewhere: pages of exactly these origins may call, and read what is answered (FAULTS T17).

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::App;

/// Says to a browser whether the page may call, by the whole of its origin. None is ever told of an origin but its own.
pub(super) async fn cors(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let origins = request.app_data::<Data<App>>().map(|app| app.origins.clone()).unwrap_or_default();
    let mut said = request.headers().get_all(ORIGIN);
    let origin = said.next().filter(|_| said.next().is_none());
    let known = origin.filter(|origin| origins.iter().any(|known| origin.as_bytes() == known.as_bytes())).cloned();
    let asks_first = *request.method() == Method::OPTIONS;
    let mut response = next.call(request).await?;
    // A cache must not give one origin what another was told.
    let here = response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if !origins.is_empty() {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = known {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-request-id, retry-after"));
        if asks_first && here {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
    Ok(response)
}
