//! A server that reads a call and says that there is no place for it, and does nothing else: what that costs at least.

use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::rt::System;
use actix_web::web::{Payload, post};
use actix_web::{App, HttpResponse, HttpServer};
use futures_util::StreamExt;

/// The word with which this bench is such a server.
pub const NAME: &str = "bare";

const SAID: &str = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"fatal","code":"throttled"}]}"#;

/// Serves until it is killed.
pub fn serve() {
    System::new().block_on(async {
        let server = HttpServer::new(|| App::new().route("/cds-services/{id}", post().to(come_again))).workers(1);
        let server = server.bind("127.0.0.1:0").unwrap();
        println!("bare on http://{}", server.addrs()[0]);
        server.run().await.unwrap();
    });
}

async fn come_again(mut body: Payload) -> HttpResponse {
    while let Some(Ok(_)) = body.next().await {}
    HttpResponse::ServiceUnavailable()
        .content_type("application/json; charset=utf-8")
        .insert_header((RETRY_AFTER, "1"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(SAID)
}
