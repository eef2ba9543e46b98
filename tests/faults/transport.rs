//! What can be wrong before a body is read (FAULTS section 1).

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Connection, Reached, TestApp, TestLedger, both, order};

const MIB: usize = 1024 * 1024;
const JSON: &str = "Content-Type: application/json";

/// A request made as long as this, with spaces that change nothing.
fn as_long_as(bytes: usize) -> Vec<u8> {
    let mut body: Vec<u8> = order("47383").into();
    body.resize(bytes, b' ');
    body
}

/// The same bytes, sent as one chunk of unknown length; the end of the chunk is left out.
fn chunk(body: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", body.len()).as_bytes(), body].concat()
}

#[test]
fn t03_a_length_beside_chunks_is_refused_and_the_connection_closed() {
    for app in both(|_| ()) {
        let lines = [JSON, "Content-Length: 5", "Transfer-Encoding: chunked"];
        let reply = app.connect().sends_head(&lines).sends("0\r\n\r\n").last_reply();
        assert_eq!(reply.status, 400);
    }
}

#[test]
fn t05_a_connection_that_never_says_what_it_wants_is_closed() {
    for app in both(|_| ()) {
        for beginning in ["", "P", "POST /cds-services/order-sign-crd HTTP/1.1\r\n"] {
            assert_eq!(app.connect().sends(beginning).last_reply().status, 408);
        }
    }
}

#[test]
fn t04_a_head_that_is_too_long_or_has_too_many_lines_is_refused_and_the_connection_closed() {
    for app in both(|_| ()) {
        let lines = |count: usize, value: &str| -> String {
            (0..count).map(|index| format!("X-Line-{index}: {value}\r\n")).collect()
        };
        let head = |lines: String| format!("GET /cds-services HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        assert_eq!(app.connect().sends(head(lines(90, "a"))).reply().status, 200);
        assert_eq!(app.connect().sends(head(lines(97, "a"))).last_reply().status, 431);
        let long = &head(lines(40, &"a".repeat(4000)));
        assert_eq!(app.connect().sends(&long[..132 * 1024]).last_reply().status, 431);
    }
}

#[test]
fn t05_who_was_not_asked_who_he_is_cannot_keep_a_connection() {
    for app in both(|_| ()) {
        let pages = ["/", "/assets/page.css", "/desk/choices", "/policies", "/policies/633"];
        for path in ["/cds-services"].into_iter().chain(pages) {
            let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            assert_eq!(app.connect().sends(head).last_reply().status, 200, "{path}");
        }
    }
}

#[test]
fn t05_more_connections_than_there_may_be_wait_only_as_long_as_those_who_say_nothing_may_live() {
    for app in both(|settings| settings.limits.connections = 1) {
        let silent: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(app.address).unwrap()).collect();
        app.sign(order("47383")).decided();
        drop(silent);
        app.sign(order("47383")).decided();
    }
}

// Only there is the limit set.
#[cfg(target_os = "linux")]
#[test]
fn t05_who_does_not_take_the_answer_cannot_keep_the_connection() {
    for app in both(|settings| settings.limits.connections = 1) {
        let long = order("47383").ordering("note", serde_json::json!([{ "text": "a long note ".repeat(80_000) }]));
        // As many as are let in at all: each core has one.
        let most = thread::available_parallelism().unwrap().get();
        let deaf: Vec<Connection> = (0..most).map(|_| app.connect().sends_call(long.clone())).collect();
        app.sign(order("47383")).decided();
        drop(deaf);
    }
}

#[test]
fn t06_a_body_that_drips_is_refused_and_the_connection_closed() {
    for app in both(|settings| settings.limits.body_seconds = 1) {
        let dripping = app.connect().sends_head(&[JSON, "Content-Length: 100000"]).drips_until_answered();
        dripping.last_reply().refused(408, "timeout").nowhere();
        let nothing = |length: &str| app.connect().sends_head(&[JSON, length]).reply();
        nothing("Content-Length: 1").refused(408, "timeout");
        nothing("Transfer-Encoding: chunked").refused(408, "timeout");
        app.sign(order("47383")).decided();
    }
}

#[test]
fn t07_a_length_over_2_mib_is_refused_before_anything_of_the_body_is_sent() {
    for app in both(|_| ()) {
        let length = format!("Content-Length: {}", 2 * MIB + 1);
        app.connect().sends_head(&[JSON, &length]).last_reply().refused(413, "too-long").nowhere();
        app.sign(as_long_as(2 * MIB)).decided();
    }
}

#[test]
fn t08_a_chunked_body_is_refused_at_the_first_byte_over_2_mib() {
    for app in both(|_| ()) {
        let lines = [JSON, "Transfer-Encoding: chunked"];
        let call = |body: &[u8]| app.connect().sends_head(&lines).sends(chunk(body));
        call(&as_long_as(2 * MIB)).sends("\r\n0\r\n\r\n").reply().decided();
        call(&as_long_as(2 * MIB + 1)).reply().refused(413, "too-long").nowhere();
    }
}

#[test]
fn t08_a_connection_is_closed_after_a_refusal_though_its_chunks_never_end() {
    for app in both(|settings| settings.limits.body_seconds = 1) {
        let lines = [JSON, "Transfer-Encoding: chunked"];
        app.connect().sends_head(&lines).last_reply().refused(408, "timeout");
        let too_long = app.connect().sends_head(&lines).sends(chunk(&as_long_as(2 * MIB + 1)));
        too_long.last_reply().refused(413, "too-long");
        app.connect().sends_head(&lines[1..]).last_reply().refused(415, "not-supported");
        for line in
            ["POST /canary", "DELETE /cds-services", "PUT /cds-services/order-sign-crd", "POST /cds-services/canary"]
        {
            let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", lines.join("\r\n"));
            let status = app.connect().sends(head).last_reply().status;
            assert!([404, 405].contains(&status), "{line}: {status}");
        }
    }
}

#[test]
fn t09_a_body_that_says_it_is_compressed_is_refused_whatever_it_is() {
    for app in both(|_| ()) {
        let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];
        for encoding in ["gzip", "br", "zstd", "deflate", "GZIP", "identity, gzip", "unheard-of"] {
            app.sign_with_header("Content-Encoding", encoding, gzip).refused(415, "not-supported").nowhere();
            app.sign_with_header("Content-Encoding", encoding, order("47383")).refused(415, "not-supported");
        }
        app.sign_with_header("Content-Encoding", "identity", order("47383")).decided();
    }
}

#[test]
fn t10_a_body_that_does_not_say_it_is_json_is_refused() {
    for app in both(|_| ()) {
        for media_type in ["text/plain", "text/json", "application/xml", "application/json+xml", "*/*", ""] {
            app.sign_as(media_type, order("47383")).refused(415, "not-supported").nowhere();
        }
        app.connect().sends_head(&["Content-Length: 2"]).sends("{}").last_reply().refused(415, "not-supported");
        for media_type in ["application/json", "application/fhir+json", "Application/JSON; charset=utf-8"] {
            app.sign_as(media_type, order("47383")).decided();
        }
    }
}

#[test]
fn t11_another_method_is_refused_with_the_one_that_is_allowed() {
    for app in both(|_| ()) {
        let call = |line: &str| {
            app.connect().sends(format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")).reply()
        };
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let service = call(&format!("{method} /cds-services/order-sign-crd"));
            service.refused(405, "not-supported").with_header("allow", "POST");
        }
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            call(&format!("{method} /cds-services")).refused(405, "not-supported").with_header("allow", "GET, HEAD");
        }
    }
}

#[test]
fn t11_head_is_answered_wherever_get_is_with_the_same_headers_and_no_body() {
    for app in both(|_| ()) {
        let paths = [
            "/cds-services",
            "/",
            "/assets/page.css",
            "/desk/choices",
            "/policies",
            "/policies/633",
            "/policies/633/2020-11",
            "/policies/none",
            "/nothing",
        ];
        for path in paths {
            let asked = |method: &str| {
                let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
                let text = app.connect().sends(head).last_words();
                let (head, body) = text.split_once("\r\n\r\n").unwrap();
                let of_the_call = ["date:", "x-request-id:"];
                let lines = head.lines().filter(|line| !of_the_call.iter().any(|name| line.starts_with(name)));
                let mut lines: Vec<String> = lines.map(str::to_owned).collect();
                lines.sort();
                (lines, body.to_owned())
            };
            let ((got, body), (head, nothing)) = (asked("GET"), asked("HEAD"));
            assert_eq!((head, &*nothing), (got, ""), "{path}");
            assert!(!body.is_empty(), "{path}");
        }
        // A service is only posted to.
        let call = "HEAD /cds-services/order-sign-crd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let read = app.connect().sends(call).last_words();
        assert!(read.starts_with("HTTP/1.1 405") && read.to_lowercase().contains("allow: post"), "{read}");
        assert!(read.ends_with("\r\n\r\n"), "{read}");
    }
}

#[test]
fn t13_http_2_is_not_spoken_and_its_frames_are_no_request() {
    for app in both(|_| ()) {
        let mut frames = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        // HEADERS, and RST_STREAM of the same stream, many times.
        for _ in 0..100 {
            frames.extend(b"\0\0\0\x01\x04\0\0\0\x01\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08");
        }
        assert_eq!(app.connect().sends(frames).last_reply().status, 400);
        let upgrade = "GET /cds-services HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                       Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
        assert_eq!(app.connect().sends(upgrade).reply().status, 200);
    }
}

#[test]
fn t17_a_browser_that_asks_first_is_allowed_no_origin() {
    let app = TestApp::start();
    let asks = |path: &str| {
        let lines = "Origin: https://canary.example\r\nAccess-Control-Request-Method: POST\r\n\
                     Access-Control-Request-Headers: authorization,content-type";
        app.connect().sends(format!("OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n")).reply()
    };
    for (path, allowed) in [("/cds-services", "GET, HEAD"), ("/cds-services/order-sign-crd", "POST")] {
        let reply = asks(path);
        assert_eq!((reply.status, reply.header("allow")), (204, Some(allowed)), "{path}");
        let told =
            reply.headers.iter().any(|(name, value)| name.starts_with("access-control") || value.contains("canary"));
        assert!(!told, "{:?}", reply.headers);
    }
    asks("/cds-services/canary").refused(404, "not-found");
    // Nor does an answer say that a page of another origin may read it.
    let answered = app.sign_with_header("Origin", "https://canary.example", order("47383")).decided();
    assert_eq!(answered.header("access-control-allow-origin"), None);
}

#[test]
fn t12_what_is_not_there_is_not_found_in_the_same_words_however_it_is_asked_for() {
    for app in both(|settings| settings.pages.desk = false) {
        let call = |method: &str, path: &str| {
            let body = order("47383").text();
            let lines = format!("Host: localhost\r\n{JSON}\r\nContent-Length: {}", body.len());
            app.connect().sends(format!("{method} {path} HTTP/1.1\r\n{lines}\r\n\r\n{body}")).reply()
        };
        let expected = call("POST", "/cds-services/canary").refused(404, "not-found").nowhere().words();
        let paths = [
            "/",
            "/canary",
            "/cds-services/",
            "/cds-services/../cds-services/order-sign-crd",
            "/cds-services/%2e%2e/order-sign-crd",
            "/cds-services/..",
            "/cds-services//order-sign-crd",
            "//cds-services/order-sign-crd",
            "/cds-services/order-sign-crd/",
            "/cds-services/order-sign-crd/canary",
            "/cds-services/ORDER-SIGN-CRD",
            "/cds-services/order-sign-crd%00",
        ];
        for (method, path) in paths.into_iter().flat_map(|path| [("POST", path), ("GET", path), ("DELETE", path)]) {
            let words = call(method, path).refused(404, "not-found").words();
            assert_eq!(words, expected, "{method} {path}");
        }
    }
}

#[test]
fn t14_an_answer_that_is_being_recorded_is_recorded_though_the_client_hangs_up() {
    let (ledger, gate) = TestLedger::held();
    let app = TestApp::with_ledger(ledger);
    let connection: Connection = app.connect().sends_call(order("47383"));
    gate.wait_for_one();
    drop(connection);
    app.has_taken_in_what_was_sent();
    gate.open();
    app.sign(order("47383")).decided();
    // Both go through the gate at once, and nobody waits for the first.
    let begun = Instant::now();
    while app.recorded() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is not recorded");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(app.recorded(), 2);
}

#[test]
fn t15_a_request_over_the_cap_is_refused_at_once_and_does_not_wait() {
    for tls in [false, true] {
        let (ledger, gate) = TestLedger::held();
        let server = Reached::with(ledger, tls, |settings| settings.limits.in_flight = 1);
        thread::scope(|scope| {
            let first = scope.spawn(|| server.sign(order("47383")));
            gate.wait_for_one();
            // The first one is not answered before the gate opens: this is an answer beside it, not after it.
            let mut kept = server.connect();
            for _ in 0..3 {
                kept = kept.sends_call(order("47383"));
                let reply = kept.reply();
                // Who has sent all of it may come again by the same connection.
                assert_eq!(reply.header("connection"), None);
                reply.refused(503, "throttled").nowhere().with_header("retry-after", "1");
            }
            gate.open();
            first.join().unwrap().decided();
            kept.sends_call(order("47383")).reply().decided();
        });
        assert_eq!(server.app.recorded(), 2);
    }
}

#[test]
fn t15_bodies_that_have_no_room_together_are_refused_at_once_and_the_room_is_given_back() {
    for tls in [false, true] {
        let (ledger, gate) = TestLedger::held();
        let server = Reached::with(ledger, tls, |settings| {
            settings.limits.bytes_in_flight = 100_000;
            // None of these is one of the large, which have not all of the room.
            settings.limits.large_body_bytes = 100_000;
        });
        let call = |bytes: usize| server.connect().sends_head(&[JSON, &format!("Content-Length: {bytes}")]);
        thread::scope(|scope| {
            let first = scope.spawn(|| server.sign(as_long_as(60_000)));
            gate.wait_for_one();
            // What is announced, before a byte of it comes.
            call(40_001).last_reply().refused(503, "throttled").nowhere().with_header("retry-after", "1");
            // What is not announced, as it comes.
            let chunked = server.connect().sends_head(&[JSON, "Transfer-Encoding: chunked"]);
            chunked.sends(chunk(&as_long_as(40_001))).last_reply().refused(503, "throttled");
            // It was given back, and is enough for a quick one.
            let second = scope.spawn(|| server.sign(as_long_as(40_000)));
            gate.wait_for_one();
            call(1).last_reply().refused(503, "throttled");
            gate.open();
            first.join().unwrap().decided();
            second.join().unwrap().decided();
        });
        server.sign(as_long_as(100_000)).decided();
        call(100_001).last_reply().refused(503, "throttled");
        // Whoever hangs up, is refused or is too slow leaves nothing behind.
        for _ in 0..5 {
            drop(call(100_000).sends([b' '; 50_000]));
            // It may not have been seen yet that somebody hung up.
            eventually(|| server.sign(vec![b'{'; 100_000]).status == 400);
        }
        eventually(|| server.sign(as_long_as(100_000)).status == 200);
    }
}

/// Comes back when it is so.
fn eventually(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "it is never so");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn t15_what_is_announced_and_what_drips_keeps_nobody_out() {
    for server in both(|settings| {
        settings.limits.in_flight = 1;
        settings.limits.bytes_in_flight = 2 * MIB;
    }) {
        let length = format!("Content-Length: {MIB}");
        let slow: Vec<Connection> = (0..20).map(|_| server.connect().sends_head(&[JSON, &length]).sends("{")).collect();
        for _ in 0..3 {
            server.sign(order("47383")).decided();
        }
        for mut slow in slow {
            slow.reply().refused(408, "timeout");
        }
    }
}
