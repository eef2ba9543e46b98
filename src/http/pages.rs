//! Pages for people, with headers that let a browser run nothing but our own files.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use actix_web::web::{Path, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};

use uuid::Uuid;

use super::body;
use super::problem::Problem;
use crate::pages::assets;
use crate::telemetry;

const HTML: &str = "text/html; charset=utf-8";

/// What a page may load: files of this server, and nothing that stands in the page itself. It asks this server, and those
/// that are named.
fn policy(connects: &[String]) -> String {
    let mut policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'; connect-src 'self'"
        .to_owned();
    for origin in connects {
        policy.push(' ');
        policy.push_str(origin);
    }
    policy
}

/// A reply with what every page and every file of a page is sent with. Nobody is asked who looks, so nobody keeps the
/// connection (FAULTS T05).
fn guarded(status: StatusCode, connects: &[String]) -> HttpResponseBuilder {
    let mut reply = HttpResponse::build(status);
    reply
        .insert_header((CONTENT_SECURITY_POLICY, policy(connects)))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        .insert_header(("permissions-policy", "camera=(), geolocation=(), microphone=()"))
        .force_close();
    reply
}

/// A page with its status, which may ask these origins beside its own.
pub(super) fn page(status: StatusCode, html: String, connects: &[String]) -> HttpResponse {
    guarded(status, connects).content_type(HTML).insert_header((CACHE_CONTROL, "no-cache")).body(html)
}

/// A page as it was written; where it could not be, a problem of ours. What is wrong with it is in no page.
pub(super) fn written<E>(status: StatusCode, page: Result<String, E>, connects: &[String]) -> HttpResponse {
    if let Ok(html) = page {
        return self::page(status, html, connects);
    }
    telemetry::page_failed();
    Problem::Page.response(&Uuid::new_v4().to_string())
}

/// `GET /assets/{name}`: a file that pages load. A browser that has it is told so.
pub(super) async fn asset(request: HttpRequest, name: Path<String>, payload: Payload) -> HttpResponse {
    let Some(asset) = assets::find(&name) else {
        return body::leave(payload, Problem::NotFound.response(&Uuid::new_v4().to_string()));
    };
    let has = request.headers().get_all(IF_NONE_MATCH).any(|tag| tag.as_bytes() == asset.tag.as_bytes());
    let status = if has { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut reply = guarded(status, &[]);
    if let Ok(tag) = HeaderValue::from_str(&asset.tag) {
        reply.insert_header((ETAG, tag));
    }
    reply.insert_header((CACHE_CONTROL, "no-cache"));
    if has { reply.finish() } else { reply.content_type(asset.media_type).body(asset.body) }
}
