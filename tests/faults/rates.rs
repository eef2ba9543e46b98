//! Who calls too often is told when to come again, and nobody else is (FAULTS T16, T18, A24).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use covenant::config::{Networks, Settings};

use crate::support::tokens::{Draft, Signer, bearer, jwks};
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
fn t15_where_there_is_no_place_no_token_is_looked_at_and_used_up_but_a_stranger_s() {
    let two = Two::with(|settings| settings.limits.in_flight = 0);
    let head = |token: &str| {
        let body = order("47383").text();
        let lines = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
        let head = "POST /cds-services/order-sign-crd HTTP/1.1\r\nHost: covenant.example";
        format!("{head}\r\n{lines}\r\nAuthorization: {token}\r\n\r\n{body}")
    };
    let token = two.token(0);
    let mut known = two.app.connect().sends(head(&token));
    known.reply().refused(503, "throttled");
    // It was used, and the other one lets nobody in; the connection is one that somebody was let in by.
    for token in [&*token, "Bearer a.b.c"] {
        known = known.sends(head(token));
        let reply = known.reply();
        assert_eq!(reply.header("connection"), None);
        reply.refused(503, "throttled").nowhere().with_header("retry-after", "1");
        two.app.connect().sends(head(token)).last_reply().refused(401, "login");
    }
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
    // Whatever it brings: that is not looked at.
    throttled(two.sends_from(0, "192.0.2.1"));
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
    app.sign_with_header("X-Forwarded-For", "192.0.2.1", order("47383")).refused(401, "login");
    app.sign_with_header("X-Forwarded-For", "127.0.0.1, 192.0.2.1", order("47383")).refused(401, "login");
    app.sign_with_header("X-Forwarded-For", "canary", order("47383")).refused(401, "login");
    app.sign(order("47383")).refused(401, "login");
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
