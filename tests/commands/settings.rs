//! Every setting works from the file and from the environment, the environment wins, and a wrong one is refused.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;

use covenant::answer::Moment;
use covenant::config::{
    AuthSettings, DEFAULTS, EhrSettings, Hidden, LedgerSettings, Limits, OpsSettings, Settings, variable,
};
use jiff::tz::TimeZone;

use crate::support::{Certified, Environment, Place, PolicyFolder, Request, Served, order};

/// What an operator sees of a setting in a place.
type Look = Box<dyn Fn(&Place, Environment<'_>) -> String>;

/// A setting: two values, what is seen with each, and how to look.
struct Setting(&'static str, [String; 2], [String; 2], Look);

impl Setting {
    #[track_caller]
    fn works_in_the_file_and_in_the_environment_which_wins(&self) {
        let Self(key, values, seen, look) = self;
        let number = values[0].parse::<u64>().is_ok();
        let line = if number { format!("{key} = {}", values[0]) } else { format!("{key} = {:?}", values[0]) };
        let name = variable(key);
        let environment = [(name.as_str(), values[1].as_str())];
        assert_eq!(look(&Place::with_settings(&line), &[]), seen[0], "{line}");
        assert_eq!(look(&Place::empty(), &environment), seen[1], "{environment:?}");
        assert_eq!(look(&Place::with_settings(&line), &environment), seen[1], "{environment:?} over {line}");
    }
}

fn setting(key: &'static str, values: [&str; 2], seen: [&str; 2], look: Look) -> Setting {
    Setting(key, values.map(str::to_owned), seen.map(str::to_owned), look)
}

/// Whether `decide` answers a request, else how it refuses it.
fn decided(request: Request) -> Look {
    Box::new(move |place, environment| {
        let file = place.write("request.json", request.text());
        let ran = place.run_in(environment, &["decide".as_ref(), file.as_os_str()]);
        if ran.code == Some(0) {
            return "answered".to_owned();
        }
        ran.err.trim_start_matches("covenant: ").split_once(':').unwrap().0.to_owned()
    })
}

/// What is seen of the server while it runs.
fn serving(look: impl Fn(&Served) -> String + 'static) -> Look {
    Box::new(move |place, environment| {
        let free_port = [("COVENANT_LISTEN", "127.0.0.1:0")];
        look(&place.serve_in(&[&free_port, environment].concat()))
    })
}

/// The status of the server's answer to a request.
fn status_of(request: Request) -> Look {
    serving(move |server| server.sign(&request).status.to_string())
}

/// Runs look at one setting, in turn: each starts the program three times.
fn try_all(settings: Vec<Setting>) -> BTreeSet<&'static str> {
    settings.iter().for_each(Setting::works_in_the_file_and_in_the_environment_which_wins);
    settings.iter().map(|setting| setting.0).collect()
}

/// A bound, as it was read.
fn bound(key: &'static str, seen: fn(Limits) -> u64) -> Setting {
    setting(key, ["1", "2"], ["1", "2"], read(move |it| seen(it.limits).to_string()))
}

fn limits() -> Vec<Setting> {
    let silent_payer = order("47383").without("/prefetch/payer");
    let waits = serving(|server| {
        let head = ["Content-Type: application/json", "Content-Length: 2"];
        let mut waiting = server.connect().sends_head(&head);
        if waiting.is_answered_within_seconds(3) { waiting.reply().status.to_string() } else { "waits".to_owned() }
    });
    vec![
        setting("payer_check", ["strict", "when-known"], ["400 value", "answered"], decided(silent_payer)),
        setting("limits.body_bytes", ["100", "9000"], ["413", "200"], status_of(order("47383"))),
        setting("limits.body_seconds", ["1", "60"], ["408", "waits"], waits),
        setting("limits.depth", ["6", "60"], ["400 structure", "answered"], decided(order("47383"))),
        setting("limits.nodes", ["50", "5000"], ["400 too-costly", "answered"], decided(order("47383"))),
        setting("limits.orders", ["1", "2"], ["422 too-costly", "answered"], decided(order("47383").times(2))),
        bound("limits.codes", |it| it.codes as u64),
        bound("limits.references", |it| it.references as u64),
        bound("limits.questions", |it| it.questions as u64),
        bound("limits.reply_bytes", |it| it.reply_bytes as u64),
        bound("limits.determinations", |it| it.determinations as u64),
        bound("limits.cpu_millis", |it| it.cpu_millis),
        bound("limits.large_body_bytes", |it| it.large_body_bytes as u64),
        // What comes of these is in `faults`. Here it is what was read.
        bound("limits.in_flight", |it| it.in_flight as u64),
        bound("limits.client_share", |it| it.client_share as u64),
        bound("limits.connections_per_address", |it| it.connections_per_address as u64),
        setting("limits.bytes_in_flight", ["2", "67108864"], ["503", "200"], status_of(order("47383"))),
        // How many there may be is in `faults::transport`.
        setting("limits.connections", ["1", "2"], ["1", "2"], read(|it| it.limits.connections.to_string())),
        setting("limits.live_tokens", ["1", "2"], ["1", "2"], read(|it| it.limits.live_tokens.to_string())),
        // What comes of these is in `faults::rates`. Here it is what was read.
        setting("limits.client_per_minute", ["1", "2"], ["1", "2"], read(|it| it.limits.client_per_minute.to_string())),
        setting(
            "limits.failures_per_minute",
            ["1", "2"],
            ["1", "2"],
            read(|it| it.limits.failures_per_minute.to_string()),
        ),
    ]
}

fn places() -> Vec<Setting> {
    let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap()).map(|it| it.local_addr().unwrap());
    let ports = ports.map(|address| address.to_string());
    let listens: Look = Box::new(|place, environment| place.serve_in(environment).address.to_string());
    let keeps: Look = Box::new(|place, environment| {
        drop(place.serve_in(&[&[("COVENANT_LISTEN", "127.0.0.1:0")], environment].concat()));
        let files = fs::read_dir(place.as_ref()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        files.filter(|name| name.ends_with(".ledger")).collect()
    });
    let zones = ["Pacific/Kiritimati", "Etc/GMT+12"];
    vec![
        setting("listen", [&ports[0], &ports[1]], [&ports[0], &ports[1]], listens),
        setting("ledger.path", ["one.ledger", "two.ledger"], ["one.ledger", "two.ledger"], keeps),
        setting("time_zone", zones, zones, Box::new(zone_of_today)),
    ]
}

/// What was read.
fn read(seen: impl Fn(Settings) -> String + 'static) -> Look {
    Box::new(move |place, environment| {
        let file = place.path("covenant.toml");
        let get = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        seen(Settings::read(file.exists().then_some(file.as_path()), get).unwrap())
    })
}

/// What the ledger does with its settings is in `ledger`. Here it is what was read.
fn keeping() -> Vec<Setting> {
    fn read(seen: fn(LedgerSettings) -> String) -> Look {
        super::settings::read(move |settings| seen(settings.ledger))
    }
    let same = |key, values, seen| setting(key, values, values, read(seen));
    let shown = |hidden: Option<Hidden>| hidden.map(|it| it.shown().to_owned()).unwrap_or_default();
    let urls = ["postgres://a:b@localhost/one", "postgres://a:b@localhost/two"];
    let keys = [format!("1:{}", "01".repeat(32)), format!("2:{}", "02".repeat(32))];
    let keys = keys.each_ref().map(String::as_str);
    vec![
        setting("ledger.url", urls, urls, super::settings::read(move |settings| shown(settings.ledger.url))),
        setting("ledger.keys", keys, keys, super::settings::read(move |settings| shown(settings.ledger.keys))),
        same("ledger.node", ["a", "b"], |ledger| ledger.node),
        same("ledger.patience_millis", ["1", "2"], |ledger| ledger.patience().as_millis().to_string()),
        same("ledger.on_failure", ["answer", "refuse"], |ledger| format!("{:?}", ledger.on_failure).to_lowercase()),
        same("ledger.keys_file", ["a", "b"], |ledger| ledger.keys_file.unwrap().to_str().unwrap().to_owned()),
    ]
}

#[test]
fn nothing_of_the_ledger_s_secrets_is_told_by_settings_that_are_wrong_or_printed() {
    let secret = "planted-secret";
    let line = "line 1 is not a number, a colon and 64 hexadecimal digits";
    for (text, word) in [
        (format!("[ledger]\nkeys = \"{secret}\""), line),
        (format!("[ledger]\nkeys_file = \"{secret}.keys\""), "cannot be read"),
        (format!("[ledger]\nurl = \"{secret}\""), "ledger.url"),
        (format!("[ledger]\nurl = {{ {secret} = 1 }}"), "ledger.url"),
        (format!("[ledger]\nkeys = [\"{secret}\"]"), "ledger.keys"),
    ] {
        let ran = Place::with_settings(&text).run(&["serve"]).failed(2, &[word]);
        assert!(!ran.err.contains(secret), "{}", ran.err);
    }
    let place = Place::with_settings(&format!("[ledger]\nurl = \"{secret}\"\nkeys = \"{secret}\""));
    let settings = Settings::read(Some(&place.path("covenant.toml")), |_| None).unwrap();
    assert!(!format!("{settings:?} {settings:#?}").contains(secret));
}

/// What operators see of their settings is in `ops`. Here it is what was read.
fn operating() -> Vec<Setting> {
    fn read(seen: fn(OpsSettings) -> String) -> Look {
        super::settings::read(move |settings| seen(settings.ops))
    }
    let secret = "0123456789abcdef0123456789abcdef";
    let (one, two) = (format!("a-1:{secret}"), format!(" a:{secret} , b:{secret}-2:phi+prune,"));
    let names = read(|ops| ops.tokens.iter().map(|token| token.name.as_str()).collect::<Vec<_>>().join(" "));
    let listen = read(|ops| ops.listen.map_or_else(|| "none".to_owned(), |address| address.to_string()));
    vec![
        setting("ops.listen", ["127.0.0.1:1", ""], ["127.0.0.1:1", "none"], listen),
        setting("ops.tokens", [&one, &two], ["a-1", "a b"], names),
    ]
}

/// Who is let in is in `faults::auth`, TLS in `faults::tls`, browsers in `faults::cors`. Here it is what was read.
fn letting_in() -> Vec<Setting> {
    fn read(seen: fn(AuthSettings) -> String) -> Look {
        super::settings::read(move |settings| seen(settings.auth))
    }
    let same = |key, values, seen| setting(key, values, values, read(seen));
    let path = |path: Option<std::path::PathBuf>| path.unwrap().to_str().unwrap().to_owned();
    let (one, two) = ("https://a.example", "https://b.example/crd");
    let base = read(|auth| auth.base_url.unwrap());
    let (page, other) = ("https://a.example", " https://a.example , http://b.example:8080,");
    let proxies = super::settings::read(|settings| {
        let addresses = ["192.0.2.1", "::1", "10.9.9.9"];
        let held = addresses.into_iter().filter(|address| settings.tls.proxies.hold(address.parse().unwrap()));
        held.collect::<Vec<_>>().join(" ")
    });
    let origins = super::settings::read(|settings| settings.cors_origins.join(" "));
    vec![
        setting("auth.clients", ["a", "b"], ["a", "b"], read(|auth| auth.clients.unwrap().display().to_string())),
        setting("auth.base_url", [one, "https://b.example/crd/"], [one, two], base),
        setting(
            "auth.algorithms",
            ["ES384", "ES384, RS384"],
            ["ES384", "ES384 RS384"],
            read(|auth| auth.algorithms.join(" ")),
        ),
        same("auth.look_seconds", ["1", "2"], |auth| auth.look_seconds.to_string()),
        same("auth.longest_seconds", ["1", "2"], |auth| auth.longest_seconds.to_string()),
        same("auth.skew_seconds", ["1", "2"], |auth| auth.skew_seconds.to_string()),
        same("auth.single_use_jti", ["false", "true"], |auth| auth.single_use_jti.to_string()),
        same("auth.discovery_open", ["false", "true"], |auth| auth.discovery_open.to_string()),
        same("auth.allow_http", ["true", "false"], |auth| auth.allow_http.to_string()),
        setting("tls.certificate", ["a", "b"], ["a", "b"], super::settings::read(move |it| path(it.tls.certificate))),
        setting("tls.key", ["a", "b"], ["a", "b"], super::settings::read(move |it| path(it.tls.key))),
        setting("tls.client_roots", ["a", "b"], ["a", "b"], super::settings::read(move |it| path(it.tls.client_roots))),
        setting("tls.proxies", ["192.0.2.1", " 10.0.0.0/8 , ::1,"], ["192.0.2.1", "::1 10.9.9.9"], proxies),
        setting("cors_origins", [page, other], [page, "https://a.example http://b.example:8080"], origins),
        setting(
            "pages.desk",
            ["true", "false"],
            ["true", "false"],
            super::settings::read(|it| it.pages.desk.to_string()),
        ),
        setting(
            "pages.desk_servers",
            [page, other],
            [page, "https://a.example http://b.example:8080"],
            super::settings::read(|it| it.pages.desk_servers.join(" ")),
        ),
    ]
}

/// How EHRs are asked is seen by the client that asks them, whose own tests are `ehr`. Here it is what was read.
fn asking() -> Vec<Setting> {
    fn read(seen: fn(EhrSettings) -> String) -> Look {
        super::settings::read(move |settings| seen(settings.ehr))
    }
    let same = |key, values, seen| setting(key, values, values, read(seen));
    let (one, two) = ("https://a.example/r4", " https://a.example/r4 , https://b.example,");
    let servers = read(|ehr| ehr.servers.join(" "));
    vec![
        setting("ehr.servers", [one, two], [one, "https://a.example/r4 https://b.example"], servers),
        same("ehr.deadline_millis", ["1", "2"], |ehr| ehr.deadline_millis.to_string()),
        same("ehr.response_bytes", ["1", "2"], |ehr| ehr.response_bytes.to_string()),
        same("ehr.pages", ["1", "2"], |ehr| ehr.pages.to_string()),
        same("ehr.concurrent", ["1", "2"], |ehr| ehr.concurrent.to_string()),
        same("ehr.allow_http", ["false", "true"], |ehr| ehr.allow_http.to_string()),
        same("ehr.allow_private", ["true", "false"], |ehr| ehr.allow_private.to_string()),
        same("ehr.break_after", ["1", "2"], |ehr| ehr.break_after.to_string()),
        same("ehr.break_seconds", ["1", "2"], |ehr| ehr.break_seconds.to_string()),
    ]
}

#[test]
fn servers_are_a_list_in_the_file_and_none_by_default() {
    let servers = |text| {
        let place = Place::with_settings(text);
        Settings::read(Some(&place.path("covenant.toml")), |_| None).map(|settings| settings.ehr.servers)
    };
    assert_eq!(servers("[ehr]\nservers = [\"https://a.example\", \"https://b.example\"]").unwrap().len(), 2);
    assert_eq!(servers("[ehr]\nservers = []").unwrap().len(), 0);
    assert_eq!(servers("").unwrap().len(), 0);
    assert!(servers("[ehr]\nservers = { a = 1 }").is_err());
}

/// Which of two time zones, 26 hours apart, the date of an answer is today's in.
fn zone_of_today(place: &Place, environment: Environment<'_>) -> String {
    let file = place.write("request.json", order("47383").text());
    let zones = ["Pacific/Kiritimati", "Etc/GMT+12"];
    let today = || zones.map(|zone| Moment::now(&TimeZone::get(zone).unwrap()).today.to_string());
    let before = today();
    let out = place.run_in(environment, &["decide".as_ref(), file.as_os_str()]).succeeded();
    let after = today();
    let date = &out.split_once("\"valueDate\":\"").unwrap().1[..10];
    let matching = (0..2).filter(|index| [&before[*index], &after[*index]].iter().any(|it| *it == date));
    matching.map(|index| zones[index]).collect()
}

#[test]
fn every_setting_works_in_the_file_and_in_the_environment_which_wins() {
    let title = |title: &str| PolicyFolder::copy().changing_rules(|rules| rules["title"] = title.into());
    let (one, two) = (title("One"), title("Two"));
    let hash = |folder: &PolicyFolder| format!("policy set {}", folder.proved().hash);
    let paths = [&one, &two].map(|folder| folder.path().to_str().unwrap());
    let checked: Look = Box::new(|place, environment| {
        place.run_in(environment, &["check"]).succeeded().lines().next().unwrap().to_owned()
    });
    let look = read(|settings| settings.policies_look_seconds.to_string());
    let look = setting("policies_look_seconds", ["1", "2"], ["1", "2"], look);
    let drain = read(|settings| settings.drain_seconds.to_string());
    let drain = setting("drain_seconds", ["1", "2"], ["1", "2"], drain);
    let policies = setting("policies", paths, [&hash(&one), &hash(&two)], checked);
    let tried = try_all(
        [limits(), places(), keeping(), letting_in(), asking(), operating(), vec![policies, look, drain]]
            .into_iter()
            .flatten()
            .collect(),
    );
    assert_eq!(tried, DEFAULTS.iter().map(|(key, _)| *key).collect(), "a setting has no test");
}

#[test]
fn a_setting_that_is_not_known_is_refused_by_name() {
    for (text, name) in [
        ("listens = \"127.0.0.1:0\"", "listens"),
        ("[limits]\nbody_byte = 5", "body_byte"),
        ("[ledger]\nfile = \"x\"", "file"),
    ] {
        Place::with_settings(text).run(&["serve"]).failed(2, &[name]);
    }
}

#[test]
fn a_setting_that_cannot_be_used_is_refused() {
    for (text, word) in [
        ("listen = \"somewhere\"", "listen must be an address with a port, such as 127.0.0.1:8633"),
        ("listen = 8633", "listen must be an address with a port"),
        ("time_zone = \"Mars/Olympus\"", "time_zone must be the IANA name of a time zone, such as America/New_York"),
        ("payer_check = \"never\"", "payer_check must be when-known or strict"),
        ("payer_check = \"\"", "payer_check must be when-known or strict"),
        ("ledger.on_failure = \"Answer\"", "ledger.on_failure must be refuse or answer"),
        ("auth.discovery_open = \"maybe\"", "auth.discovery_open must be true or false"),
        ("pages.desk = []", "pages.desk must be true or false"),
        ("ehr.pages = 1.5", "ehr.pages must be a whole number of at least 1"),
        ("auth.skew_seconds = -1", "auth.skew_seconds must be a whole number"),
        ("cors_origins = \"*\"", "cors_origins"),
        ("cors_origins = \"null\"", "cors_origins"),
        ("cors_origins = \"https://desk.example.org/\"", "cors_origins"),
        ("cors_origins = \"https://*.example.org\"", "cors_origins"),
        ("cors_origins = \"HTTPS://desk.example.org\"", "cors_origins"),
        ("cors_origins = \"https://desk.example.org:443\"", "cors_origins"),
        ("[pages]\ndesk_servers = \"*\"", "pages.desk_servers"),
        ("[pages]\ndesk_servers = \"https://desk.example.org/cds-services\"", "pages.desk_servers"),
        ("tls.proxies = \"everybody\"", "tls.proxies"),
        ("tls.proxies = [\"10.0.0.0/33\"]", "tls.proxies"),
        ("tls.proxies = \"0.0.0.0/0\"", "tls.proxies"),
        ("tls.proxies = \"::/0\"", "tls.proxies"),
        ("tls.proxies = true", "tls.proxies"),
        ("limits.depth = -1", "limits.depth must be a whole number of at least 1"),
        ("limits.depth = \"deep\"", "limits.depth must be a whole number of at least 1"),
        ("limits.client_share = 0", "limits.client_share must be a whole number from 1 to 100"),
        ("limits.client_share = 101", "limits.client_share must be a whole number from 1 to 100"),
        ("listen = ", "covenant.toml"),
    ] {
        Place::with_settings(text).run(&["serve"]).failed(2, &[word]);
    }
    Place::empty()
        .run_in(&[("COVENANT_LIMITS_ORDERS", "many")], &["serve"])
        .failed(2, &["limits.orders must be a whole number"]);
}

/// Numbers of which 0 means any, never, or no time.
const ZEROS: [&str; 9] = [
    "policies_look_seconds",
    "drain_seconds",
    "limits.large_body_bytes",
    "limits.connections_per_address",
    "limits.client_per_minute",
    "limits.failures_per_minute",
    "auth.look_seconds",
    "auth.skew_seconds",
    "ehr.break_seconds",
];

#[test]
fn a_number_that_would_refuse_everything_is_refused_at_start_by_its_name() {
    let of = |key: &str| {
        let name = variable(key);
        Settings::read(None, |asked| (asked == name).then(|| "0".to_owned())).map_err(|error| error.to_string())
    };
    let numbers = DEFAULTS.iter().filter(|(_, default)| default.parse::<u64>().is_ok()).map(|(key, _)| *key);
    let (zeros, others): (Vec<&str>, Vec<&str>) = numbers.partition(|key| ZEROS.contains(key));
    assert_eq!(zeros.len(), ZEROS.len());
    for key in zeros {
        assert!(of(key).is_ok(), "{key}");
    }
    assert!(others.iter().filter(|key| key.starts_with("limits.")).count() >= 9, "{others:?}");
    for key in others {
        let said = of(key).unwrap_err();
        assert!(said.starts_with(&format!("{key} must be a whole number")) && said.contains('1'), "{said}");
    }
    let environment = [("COVENANT_LIMITS_IN_FLIGHT", "0")];
    Place::empty()
        .run_in(&environment, &["serve"])
        .failed(2, &["limits.in_flight must be a whole number of at least 1"]);
}

#[test]
fn a_variable_that_is_no_setting_s_stops_every_command_by_name_and_its_value_is_not_told() {
    let environment = [
        ("COVENANT_LEDGER_PHAT", "planted-secret"),
        ("COVENANT_LEDGERPATH", "planted-secret"),
        ("COVENANT_", "planted-secret"),
        ("COVENANTS", "x"),
        ("OTHER_COVENANT_LISTEN", "x"),
    ];
    for command in ["serve", "check"] {
        let words = ["COVENANT_, COVENANT_LEDGERPATH, COVENANT_LEDGER_PHAT", "no setting"];
        let ran = Place::empty().run_in(&environment, &[command]).failed(2, &words);
        assert!(
            !ran.err.contains("planted") && !ran.err.contains("OTHER") && !ran.err.contains("COVENANTS"),
            "{}",
            ran.err
        );
    }
    Place::empty().run_in(&environment[3..], &["check"]).succeeded();
}

#[cfg(target_os = "linux")]
#[test]
fn no_core_dump_of_the_server_can_be_written() {
    let place = Place::empty();
    let server = place.serve();
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.process())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
}

#[test]
fn a_settings_file_can_be_named_and_must_then_be_there() {
    let place = Place::with_settings("payer_check = \"never\"");
    let other = place.write("other.toml", "payer_check = \"strict\"");
    let request = place.write("request.json", order("47383").without("/prefetch/payer").text());
    let named = ["--config".as_ref(), other.as_os_str(), "decide".as_ref(), request.as_os_str()];
    place.run(&named).failed(1, &["400 value", "Coverage.payor"]);
    place.run(&["--config", "nowhere.toml", "check"]).failed(2, &["nowhere.toml"]);
}

#[test]
fn an_address_that_others_can_reach_is_refused_while_nobody_is_asked_who_they_are() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8633", "[2001:db8::1]:0"] {
        let ran = Place::empty().run_in(&[("COVENANT_LISTEN", address)], &["serve"]);
        ran.failed(2, &["no authentication is configured", "only loopback"]);
    }
    drop(Place::empty().serve_in(&[("COVENANT_LISTEN", "127.0.0.2:0")]));
}

#[test]
fn an_address_that_others_can_reach_is_refused_while_what_is_said_can_be_read() {
    let place = Place::empty();
    let clients = place.write("clients.toml", "");
    let known = [
        ("COVENANT_LISTEN", "0.0.0.0:0"),
        ("COVENANT_AUTH_CLIENTS", clients.to_str().unwrap()),
        ("COVENANT_AUTH_BASE_URL", "https://crd.payer.example"),
    ];
    place.run_in(&known, &["serve"]).failed(2, &["there is no TLS", "tls.certificate", "tls.proxies"]);
    let with = |more: &[(&'static str, &str)]| drop(place.serve_in(&[&known, more].concat()));
    with(&[("COVENANT_TLS_PROXIES", "10.0.0.7, 10.1.0.0/16, ::1")]);
    let [certificate, key] = Certified::new("localhost").writes(&place);
    with(&[("COVENANT_TLS_CERTIFICATE", certificate.to_str().unwrap()), ("COVENANT_TLS_KEY", key.to_str().unwrap())]);
}

#[test]
fn plain_http_to_ehrs_has_to_be_asked_for_where_others_reach_us() {
    let allowed = |text: &str| {
        let place = Place::with_settings(&format!("{text}\n[auth]\nclients = \"clients.toml\""));
        Settings::read(Some(&place.path("covenant.toml")), |_| None).unwrap().ehr.allow_http
    };
    let proxied = "tls.proxies = [\"127.0.0.1\"]";
    assert!(allowed(""));
    assert!(!allowed(proxied));
    assert!(!allowed(&format!("{proxied}\nlisten = \"0.0.0.0:8633\"")));
    assert!(!allowed("listen = \"0.0.0.0:8633\"\ntls.certificate = \"a\"\ntls.key = \"b\""));
    assert!(allowed(&format!("{proxied}\nehr.allow_http = true")));
}
