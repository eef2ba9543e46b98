//! Who calls too often is told when to come again, and nobody else is (FAULTS T16, T18, A24).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use covenant::config::{Networks, Settings};

use crate::support::tokens::{BASE_URL, Draft, Signer, bearer, jwks};
use crate::support::{Caller, Certified, Place, Reply, TestApp, TestLedger, order};

/// Addresses as settings have them.
fn networks(text: &str) -> Networks {
    serde_json::from_value(text.into()).unwrap()
}

/// Two clients.
struct Two {
    signers: [Signer; 2],
    app: TestApp,
    caller: Caller,
}

impl Two {
    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::by(false, change)
    }

    /// The same, by TLS if it is to be.
    fn by(tls: bool, change: impl FnOnce(&mut Settings)) -> Self {
        let (place, certified) = (Place::empty(), Certified::new("localhost"));
        let [certificate, key] = certified.writes(&place);
        let change = |settings: &mut Settings| {
            if tls {
                (settings.tls.certificate, settings.tls.key) = (Some(certificate), Some(key));
            }
            change(settings);
        };
        let signers = ["one", "other"].map(Signer::es384);
        let clients = signers.each_ref().map(|signer| {
            let (name, keys) = (&signer.id, jwks([signer.jwk()]));
            format!("[[client]]\nname = \"{name}\"\nissuer = \"https://{name}.example\"\njwks = '{keys}'\n")
        });
        let app = TestApp::guarded(&clients.concat(), change);
        let caller = if tls { app.by_tls(&certified) } else { app.caller() };
        Self { signers, app, caller }
    }

    fn token(&self, index: usize) -> String {
        let signer = &self.signers[index];
        bearer(&Draft::of(&format!("https://{}.example", signer.id), signer).signed_by(signer))
    }

    fn sends(&self, index: usize) -> Reply {
        self.caller.sign_with_header("Authorization", &self.token(index), order("47383"))
    }

    /// A token that lets nobody in, from an address that a proxy tells of.
    fn fails(&self, forwarded: &str) -> Reply {
        let headers = [("Authorization", "Bearer a.b.c"), ("X-Forwarded-For", forwarded)];
        self.app.invoke_with_headers(&headers, order("47383"))
    }

    fn sends_from(&self, index: usize, forwarded: &str) -> Reply {
        let token = self.token(index);
        let headers = [("Authorization", &*token), ("X-Forwarded-For", forwarded)];
        self.app.invoke_with_headers(&headers, order("47383"))
    }
}

/// It must be told to come again, and when.
#[track_caller]
fn throttled(reply: Reply) -> u64 {
    let seconds = reply.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(reply.header("www-authenticate"), None);
    reply.refused(429, "throttled").nowhere();
    seconds
}

#[test]
fn t16_a_client_that_floods_is_told_to_come_again_and_no_other_is() {
    for tls in [false, true] {
        let two = Two::by(tls, |settings| settings.limits.client_per_minute = 3);
        for _ in 0..3 {
            two.sends(0).decided();
        }
        for _ in 0..5 {
            assert!((1..=20).contains(&throttled(two.sends(0))));
        }
        two.sends(1).decided();
        assert_eq!(two.app.recorded(), 4);
    }
}

#[test]
fn t16_a_client_may_come_again_with_the_same_token_when_it_was_told_to() {
    let two = Two::with(|settings| settings.limits.client_per_minute = 60);
    let sends = |token: &str| two.app.sign_with_header("Authorization", token, order("47383"));
    let (told, token) = loop {
        let token = two.token(0);
        let reply = sends(&token);
        if reply.status == 429 {
            break (throttled(reply), token);
        }
    };
    assert_eq!(told, 1);
    thread::sleep(Duration::from_secs(told));
    sends(&token).decided();
}

#[test]
fn t15_where_there_is_no_place_no_token_is_used_up_and_only_a_stranger_s_is_looked_at() {
    let two = Two::with(|settings| settings.limits.in_flight = 0);
    let head = |token: &str| {
        let body = order("47383").text();
        let lines = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
        let head = "POST /cds-services/order-sign-crd HTTP/1.1\r\nHost: localhost";
        format!("{head}\r\n{lines}\r\nAuthorization: {token}\r\n\r\n{body}")
    };
    let token = two.token(0);
    let mut known = two.app.connect().sends(head(&token));
    known.reply().refused(503, "throttled");
    // The connection is one that somebody was let in by, and the other token lets nobody in.
    for token in [&*token, "Bearer a.b.c"] {
        known = known.sends(head(token));
        let reply = known.reply();
        assert_eq!(reply.header("connection"), None);
        reply.refused(503, "throttled").nowhere().with_header("retry-after", "1");
    }
    two.app.connect().sends(head(&token)).reply().refused(503, "throttled");
    two.app.connect().sends(head("Bearer a.b.c")).last_reply().refused(401, "login");
}

#[test]
fn a25_a_503_before_work_began_spends_no_token() {
    let ((ledger, gate), signer) = (TestLedger::held(), Signer::es384("one"));
    let keys = jwks([signer.jwk()]);
    let clients = format!("[[client]]\nname = \"one\"\nissuer = \"https://one.example\"\njwks = '{keys}'\n");
    let app = TestApp::guarded_with(ledger, &clients, |settings| {
        settings.limits.in_flight = 1;
        settings.limits.failures_per_minute = 1;
    });
    let token = || Draft::of("https://one.example", &signer).signed_by(&signer);
    let (waits, again) = (token(), token());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| app.sign_as_client(&waits, order("47383")));
        gate.wait_for_one();
        for _ in 0..3 {
            app.sign_as_client(&again, order("47383")).refused(503, "throttled");
        }
        gate.open();
        waiting.join().unwrap().decided();
    });
    app.sign_as_client(&again, order("47383")).decided();
    // One that was used is refused, and nobody is barred for it.
    for _ in 0..5 {
        app.sign_as_client(&again, order("47383")).refused(401, "login");
    }
    app.sign_as_client(&token(), order("47383")).decided();
}

#[test]
fn a25_tokens_of_a_registered_client_are_not_barred_with_their_address() {
    let two = Two::with(|settings| settings.limits.failures_per_minute = 2);
    let sends = |token: &str| two.app.sign_with_header("Authorization", token, order("47383"));
    let (stranger, forger) = (Signer::es384("one"), Signer::es384("one"));
    let unknown = || bearer(&Draft::of("https://nobody.example", &stranger).signed_by(&stranger));
    let forged = || bearer(&Draft::of("https://one.example", &forger).signed_by(&forger));
    for bad in [&unknown as &dyn Fn() -> String, &|| "Bearer a.b.c".to_owned()] {
        while sends(&bad()).status == 401 {}
        throttled(sends(&bad()));
    }
    two.sends(0).decided();
    // Who says to be a client keeps nobody out but it, and only from there.
    for _ in 0..3 {
        sends(&forged()).refused(401, "login");
    }
    throttled(sends(&forged()));
    two.sends(1).decided();
}

#[test]
fn t15_who_is_one_of_too_many_and_comes_at_once_rests_before_it_is_told_again() {
    let (ledger, gate) = TestLedger::held();
    let app = TestApp::with(ledger, |settings| settings.limits.in_flight = 1);
    let (begun, over) = (Instant::now(), AtomicBool::new(false));
    let rests = || {
        let mut kept = app.connect();
        while !over.load(Ordering::Relaxed) {
            let sent = Instant::now();
            kept = kept.sends_call(order("47383"));
            kept.reply().refused(503, "throttled").nowhere().with_header("retry-after", "1");
            if sent.elapsed() > Duration::from_millis(900) {
                over.store(true, Ordering::Relaxed);
                return Some(kept);
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "nobody rests");
        }
        None
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| app.sign(order("47383")));
        gate.wait_for_one();
        let crowd: Vec<_> = (0..32).map(|_| scope.spawn(rests)).collect();
        let rested: Vec<_> = crowd.into_iter().filter_map(|one| one.join().unwrap()).collect();
        app.sign(order("47383")).refused(503, "throttled");
        gate.open();
        first.join().unwrap().decided();
        // Where there is a place nobody rests.
        for kept in rested {
            kept.sends_call(order("47383")).reply().decided();
        }
    });
}

#[test]
fn t16_nobody_uses_up_what_another_may_call_by_saying_to_be_him() {
    let two = Two::with(|settings| settings.limits.client_per_minute = 2);
    let forger = Signer::es384("one");
    for _ in 0..5 {
        let forged = bearer(&Draft::of("https://one.example", &forger).signed_by(&forger));
        two.app.sign_with_header("Authorization", &forged, order("47383")).refused(401, "login");
    }
    two.sends(0).decided();
}

#[test]
fn a24_an_address_of_which_too_many_tokens_let_nobody_in_is_not_looked_at_and_others_are() {
    let two = Two::with(|settings| {
        settings.limits.failures_per_minute = 5;
        settings.tls.proxies = networks("127.0.0.1");
    });
    for _ in 0..6 {
        two.fails("192.0.2.1").refused(401, "login");
    }
    for _ in 0..5 {
        assert!((1..=12).contains(&throttled(two.fails("192.0.2.1"))));
    }
    // A client is let in from there all the same: it is not the one who failed.
    two.sends_from(0, "192.0.2.1").decided();
    two.sends_from(0, "192.0.2.2").decided();
    two.fails("192.0.2.2").refused(401, "login");
    // Nor does what is let in count.
    for _ in 0..10 {
        two.sends_from(1, "192.0.2.3").decided();
    }
}

#[test]
fn a24_good_callers_are_answered_beside_a_flood_of_bad_signatures() {
    let two = Two::with(|settings| {
        settings.limits.failures_per_minute = 60;
        settings.tls.proxies = networks("127.0.0.1");
    });
    let forger = Signer::es384("one");
    let forged = bearer(&Draft::of("https://one.example", &forger).signed_by(&forger));
    let floods = || {
        let headers = [("Authorization", &*forged), ("X-Forwarded-For", "192.0.2.1")];
        two.app.invoke_with_headers(&headers, order("47383")).status
    };
    let began = Instant::now();
    let mut refused = 0;
    while floods() == 401 {
        refused += 1;
        assert!(refused < 200 && began.elapsed() < Duration::from_secs(60), "{refused}");
    }
    thread::scope(|scope| {
        let flood = scope.spawn(|| (0..300).map(|_| floods()).filter(|status| *status == 429).count());
        for _ in 0..20 {
            two.sends_from(0, "192.0.2.2").decided();
        }
        assert!(flood.join().unwrap() > 250);
    });
}

#[test]
fn t18_what_is_said_of_whom_it_is_sent_for_is_believed_of_a_proxy_alone_and_only_what_that_says_itself() {
    let unproxied = Two::with(|settings| settings.limits.failures_per_minute = 2);
    for last in 0..3 {
        unproxied.fails(&format!("192.0.2.{last}")).refused(401, "login");
    }
    throttled(unproxied.fails("192.0.2.200"));
    let proxied = Two::with(|settings| {
        settings.limits.failures_per_minute = 2;
        settings.tls.proxies = networks("127.0.0.1");
    });
    // What stands before the last is the caller's own.
    for last in 0..3 {
        proxied.fails(&format!("192.0.2.{last}, 192.0.2.100")).refused(401, "login");
    }
    throttled(proxied.fails("192.0.2.200, 192.0.2.100"));
    proxied.fails("192.0.2.100, 192.0.2.200").refused(401, "login");
    // A proxy before the proxy is a proxy.
    throttled(proxied.fails("192.0.2.100, 127.0.0.1"));
}

#[test]
fn t18_whoever_is_none_of_the_proxies_is_not_answered_where_they_alone_speak_tls() {
    let two = Two::with(|settings| settings.tls.proxies = networks("192.0.2.7, 2001:db8::/32, ::1"));
    two.sends(0).refused(403, "forbidden").nowhere();
    two.sends_from(0, "192.0.2.7").refused(403, "forbidden").nowhere();
    // Nothing of what is sent is waited for.
    let head = ["Content-Type: application/json", "Content-Length: 5000000"];
    two.app.connect().sends_head(&head).reply().refused(403, "forbidden").nowhere();
    for path in ["/cds-services", "/cds-services/order-sign-crd", "/nothing"] {
        let reply = two.app.get(path);
        assert_eq!(reply.header("connection"), Some("close"));
        reply.refused(403, "forbidden").nowhere();
    }
    assert_eq!(two.app.recorded(), 0);
    for proxies in ["127.0.0.1", "192.0.2.7,127.0.0.0/8", "::ffff:127.0.0.1"] {
        let two = Two::with(|settings| settings.tls.proxies = networks(proxies));
        assert_eq!(two.app.get("/cds-services").status, 200, "{proxies}");
        two.sends(0).decided();
    }
}

#[test]
fn t18_whoever_a_proxy_on_this_machine_speaks_for_is_not_this_machine() {
    let app = TestApp::with_settings(|settings| settings.tls.proxies = networks("127.0.0.1"));
    for said in ["192.0.2.1", "127.0.0.1, 192.0.2.1", "canary"] {
        app.sign_with_header("X-Forwarded-For", said, order("47383")).refused(403, "forbidden");
    }
    app.sign(order("47383")).refused(403, "forbidden");
}

#[test]
fn t19_an_address_is_counted_as_one_however_a_proxy_writes_it() {
    let two = Two::with(|settings| {
        settings.limits.failures_per_minute = 2;
        settings.tls.proxies = networks("127.0.0.1");
    });
    let fails = |headers: &[(&str, &str)]| {
        let headers = [&[("Authorization", "Bearer a.b.c")], headers].concat();
        two.app.invoke_with_headers(&headers, order("47383"))
    };
    let (plain, structured) = ("X-Forwarded-For", "Forwarded");
    for said in [
        [
            (plain, "192.0.2.1:1000"),
            (plain, "192.0.2.9, 192.0.2.1"),
            (structured, "for=192.0.2.9, for=192.0.2.1;proto=https"),
            (structured, "for=\"192.0.2.1:47\""),
        ],
        [
            (plain, "2001:db8::1"),
            (plain, "[2001:db8::2]"),
            (plain, "[2001:db8::3]:443"),
            (structured, "by=127.0.0.1;For=\"[2001:db8::4]:443\""),
        ],
    ] {
        for header in &said[..3] {
            fails(&[*header]).refused(401, "login");
        }
        throttled(fails(&[said[3]]));
    }
    // Two headers must say the same, as one may be the caller's own.
    fails(&[(plain, "192.0.2.7"), (structured, "for=192.0.2.8")]).refused(403, "forbidden").nowhere();
    fails(&[(plain, "192.0.2.7:1"), (structured, "for=192.0.2.7")]).refused(401, "login");
}

#[test]
fn t19_a_word_of_a_proxy_that_cannot_be_read_is_logged_and_nobody_is_counted_for_it() {
    let signer = Signer::es384("one");
    let keys = jwks([signer.jwk()]);
    let place = Place::with_settings(&format!(
        "[auth]\nclients = \"clients.toml\"\nbase_url = \"{BASE_URL}\"\n[tls]\nproxies = [\"127.0.0.1\"]\n\
         [limits]\nfailures_per_minute = 1\n"
    ));
    place.write("clients.toml", format!("[[client]]\nname = \"one\"\nissuer = \"a\"\njwks = '{keys}'\n"));
    let server = place.serve();
    let sends = |authorization: &str, header: Option<(&str, &str)>| {
        let headers: Vec<_> = [("Authorization", authorization)].into_iter().chain(header).collect();
        server.invoke_with_headers(&headers, order("47383"))
    };
    for header in [Some(("X-Forwarded-For", "canary-host")), Some(("Forwarded", "for=_canary")), None] {
        for _ in 0..4 {
            sends("Bearer a.b.c", header).refused(401, "login");
        }
        sends(&bearer(&Draft::of("a", &signer).signed_by(&signer)), header).decided();
    }
    let (_, err) = server.kill();
    let lines: Vec<&str> = err.lines().filter(|line| line.contains("a proxy does not say")).collect();
    assert!(lines.iter().any(|line| line.contains("ERROR") && line.contains("not-read")), "{err}");
    assert!(!err.contains("canary-host") && !err.contains("_canary"), "{err}");
}

#[test]
fn t20_where_nobody_is_registered_only_this_machine_asked_directly_is_answered() {
    let app = TestApp::start();
    let get = |target: &str, lines: &str| app.connect().sends(format!("GET {target} HTTP/1.1\r\n{lines}\r\n")).reply();
    let port = app.address.port();
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.1.2.3:80", "[::1]", &format!("[::1]:{port}")] {
        assert_eq!(get("/cds-services", &format!("Host: {host}\r\n")).status, 200, "{host}");
    }
    assert_eq!(get("http://localhost/cds-services", "Host: localhost\r\n").status, 200);
    for path in ["/cds-services", "/", "/policies/633", "/assets/nothing", "/nothing"] {
        for lines in [
            "Host: crd.payer.example\r\n",
            "Host: localhost.evil.example\r\n",
            "Host: localhost\r\nHost: evil.example\r\n",
            "Host: \r\n",
            "Host: localhost\r\nX-Forwarded-For: 127.0.0.1\r\n",
            "Host: localhost\r\nX-Forwarded-Host: localhost\r\n",
            "Host: localhost\r\nForwarded: for=127.0.0.1\r\n",
            "Host: localhost\r\nVia: 1.1 proxy\r\n",
            "Host: localhost\r\nX-Real-IP: 127.0.0.1\r\n",
        ] {
            // Of two hosts it may be said before it is looked at that the request is none.
            let reply = get(path, lines);
            assert!([403, 400].contains(&reply.status), "{path} {lines}: {}", reply.status);
            if reply.status == 403 {
                assert_eq!(reply.header("connection"), Some("close"));
                reply.refused(403, "forbidden").nowhere();
            }
        }
    }
    get("http://evil.example/cds-services", "Host: localhost\r\n").refused(403, "forbidden");
    app.sign_with_header("X-Forwarded-For", "127.0.0.1", order("47383")).refused(403, "forbidden");
    assert_eq!(app.recorded(), 0);
    app.sign(order("47383")).decided();
    // Where clients are registered a proxy is no harm: they sign.
    let two = Two::with(|_| ());
    let headers = [("X-Forwarded-For", "192.0.2.1"), ("Host", "crd.payer.example")];
    assert_eq!(two.app.get_with("/cds-services", &headers).status, 200);
}

#[test]
fn a_refusal_comes_no_sooner_for_one_cause_than_for_another() {
    let two = Two::with(|_| ());
    let forger = Signer::es384("one");
    let fastest = |token: &dyn Fn() -> String| {
        let times = (0..5).map(|_| {
            let token = token();
            let began = Instant::now();
            two.app.sign_with_header("Authorization", &token, order("47383")).refused(401, "login");
            began.elapsed()
        });
        times.min().unwrap()
    };
    let nobody = || bearer(&Draft::of("https://nobody.example", &forger).signed_by(&forger));
    let forged = || bearer(&Draft::of("https://one.example", &forger).signed_by(&forger));
    for token in [&nobody as &dyn Fn() -> String, &forged, &|| "none".to_owned()] {
        assert!(fastest(token) >= Duration::from_millis(10));
    }
}
