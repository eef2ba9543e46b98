//! What each operations token lets its holder do: every route takes one role, and none implies another.

use covenant::config::{Role, Settings};

use crate::support::{Place, Reply, SECRET, TestApp, TestLedger, operated, token};

/// Every route that takes a token, with its method and the role that it takes.
const TABLE: [(&str, &str, Role); 10] = [
    ("GET", "/", Role::Metrics),
    ("GET", "/policies", Role::Metrics),
    ("GET", "/ledger/metrics", Role::Metrics),
    ("GET", "/ledger/verify", Role::Metrics),
    ("GET", "/ledger/explain/canary", Role::Phi),
    ("GET", "/ledger/replay/canary", Role::Phi),
    ("GET", "/ledger/entries/canary", Role::Phi),
    ("GET", "/ledger/entries", Role::Phi),
    ("GET", "/ledger/export?from=2026-01-01", Role::Phi),
    ("POST", "/ledger/prune?before=2020-01-01", Role::Prune),
];

fn app_of(roles: &'static [Role]) -> TestApp {
    TestApp::with(TestLedger::ordinary(), |settings| {
        operated(settings);
        settings.ops.tokens = vec![token("alice", SECRET, roles)];
    })
}

fn asks(app: &TestApp, method: &str, path: &str) -> Reply {
    match method {
        "POST" => app.ops().post_as_operator(path, SECRET),
        _ => app.ops().get_as_operator(path, SECRET),
    }
}

#[test]
fn a_token_opens_what_its_role_is_for_and_nothing_else() {
    for role in Role::ALL {
        let app = app_of(match role {
            Role::Metrics => &[Role::Metrics],
            Role::Phi => &[Role::Phi],
            Role::Prune => &[Role::Prune],
        });
        for (method, path, taken) in TABLE {
            let reply = asks(&app, method, path);
            if taken == role {
                assert!([200, 400, 404].contains(&reply.status), "{role:?} {path}: {} {}", reply.status, reply.text());
                continue;
            }
            assert_eq!(reply.status, 403, "{role:?} {path}: {}", reply.text());
            let said = reply.json();
            assert_eq!(said["resourceType"], "OperationOutcome");
            assert_eq!(said["issue"][0]["code"], "forbidden");
            let text = said["issue"][0]["details"]["text"].as_str().unwrap();
            assert!(text.contains(&format!("the role {}", taken.name())), "{text}");
        }
    }
}

#[test]
fn a_token_of_several_roles_opens_what_each_is_for() {
    let app = app_of(&[Role::Metrics, Role::Phi]);
    for (method, path, taken) in TABLE {
        assert_eq!(asks(&app, method, path).status == 403, taken == Role::Prune, "{path}");
    }
}

#[test]
fn a_wrong_token_is_told_the_same_whatever_a_route_takes() {
    let app = app_of(&[Role::Metrics]);
    for (_, path, _) in TABLE {
        let reply = app.ops().get_as_operator(path, "planted-secret-of-nobody-0123456789");
        assert_eq!(reply.status, 401, "{path}");
    }
}

#[test]
fn a_token_without_roles_reads_what_holds_nothing_of_a_patient() {
    let read = |text: &str| {
        let tokens = text.to_owned();
        let settings = Settings::read(None, |name| (name == "COVENANT_OPS_TOKENS").then(|| tokens.clone())).unwrap();
        settings.ops.tokens[0].roles.clone()
    };
    assert_eq!(read(&format!("alice:{SECRET}")), [Role::Metrics]);
    assert_eq!(read(&format!("alice:{SECRET}:phi+prune")), [Role::Phi, Role::Prune]);
    let place = Place::empty();
    let tokens = format!("alice:{SECRET}");
    let server = place.serve_in(&[
        ("COVENANT_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_TOKENS", &tokens),
    ]);
    let ops = server.ops();
    assert_eq!(ops.get_as_operator("/policies", SECRET).status, 200);
    assert_eq!(ops.get_as_operator("/ledger/entries", SECRET).status, 403);
    let (_, log) = server.kill();
    assert!(log.contains("lacks the role") && log.contains("/ledger/entries"), "{log}");
}
