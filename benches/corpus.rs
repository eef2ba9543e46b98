//! What the benches of the ledger keep: answers to the requests that lie in the source tree, each as if it were of another
//! patient, made from a fixed seed.

use std::collections::BTreeMap;
use std::fs;

use bytes::Bytes;
use covenant::answer::at_once;
use covenant::policy::model::PolicySet;
use covenant::record::Entry;
use jiff::civil::date;
use serde_json::{Value, json};
use uuid::{Builder, Uuid};

use crate::laws_support::{MANNER, SET, files_under, moment, repository, service_of};
use crate::policy_set::ask::{self, Says};

/// Where a request lies, and so which policies answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `cds-hooks/examples`: the embedded policies.
    Embedded,
    /// `tests/policies/examples`: the invented ones.
    Invented,
    /// `tests/clients`: as real clients send them, under the embedded policies.
    Client,
}

/// A request, and what the EHR and the member directory say beside it.
pub struct Example {
    pub name: String,
    pub origin: Origin,
    request: Value,
    says: Value,
}

/// Numbers that look like chance and are the same every time.
pub struct Chance(u64);

impl Chance {
    pub fn from(seed: u64) -> Self {
        Self(seed)
    }

    /// Splitmix64.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn uuid(&mut self) -> Uuid {
        let both = u128::from(self.next()) << 64 | u128::from(self.next());
        Builder::from_random_bytes(both.to_be_bytes()).into_uuid()
    }

    fn of(&mut self, letters: &str, length: usize) -> String {
        (0..length).map(|_| char::from(letters.as_bytes()[self.below(letters.len())])).collect()
    }
}

/// All of them, in the order of their names.
pub fn examples() -> Vec<Example> {
    let folders = [
        ("cds-hooks/examples", Origin::Embedded),
        ("tests/policies/examples", Origin::Invented),
        ("tests/clients", Origin::Client),
    ];
    let mut found = Vec::new();
    for (folder, origin) in folders {
        let folder = repository(folder);
        for path in files_under(&folder) {
            let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".request.json") else {
                continue;
            };
            let says = fs::read(folder.join(format!("{name}.learned.json")));
            let says = says.map_or(json!({}), |text| serde_json::from_slice(&text).unwrap());
            let request = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            found.push(Example { name: name.to_owned(), origin, request, says });
        }
    }
    found
}

impl Example {
    /// The name without its version: what is asked in several versions is one thing.
    pub fn group(&self) -> &str {
        let name = self.name.strip_suffix("-crd20").unwrap_or(&self.name);
        name.strip_suffix("-crd21").unwrap_or(name)
    }

    /// The policies that answer it.
    pub fn set(&self) -> &'static PolicySet {
        if self.origin == Origin::Invented { &ask::SET } else { &SET }
    }

    /// The request of another patient, and what is said beside it.
    pub fn varied(&self, chance: &mut Chance) -> (String, Says) {
        let mut own = BTreeMap::new();
        for part in [&self.request, &self.says] {
            identify(part, "", false, &mut own);
        }
        let whole = json!({ "request": self.request, "says": self.says }).to_string();
        let style = chance.below(3);
        // The longest first: one may be the beginning of another.
        let mut own: Vec<(String, Value)> = own.into_iter().map(|(old, what)| (old, json!(what))).collect();
        own.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
        let mut whole = whole;
        for (old, what) in own {
            let new = another(&old, what.as_str().unwrap(), style, chance);
            for (before, after) in [("\"", "\""), ("/", "\""), ("\"#", "\""), ("\\\"", "\\\""), ("/", "\\\"")] {
                whole = whole.replace(&format!("{before}{old}{after}"), &format!("{before}{new}{after}"));
            }
        }
        let host = format!("https://fhir.{}.example/r4", chance.of("abcdefghijklmnopqrstuvwxyz", 9));
        for server in ["https://ehr.example.org/fhir", "https://open-ehr.example.org/r4"] {
            whole = whole.replace(server, &host);
        }
        let whole: Value = serde_json::from_str(&whole).unwrap();
        // Most clients send no white space.
        let request = &whole["request"];
        let text =
            if chance.below(5) == 0 { serde_json::to_string_pretty(request).unwrap() } else { request.to_string() };
        (text, serde_json::from_value(whole["says"].clone()).unwrap())
    }

    /// The entry of another patient's request, as the server would keep it; none if it is refused.
    pub fn entry(&self, chance: &mut Chance) -> Option<Entry> {
        let (request, says) = self.varied(chance);
        let mut moment = moment(&chance.uuid().to_string());
        moment.today = date(2026, 1 + chance.below(12) as i8, 1 + chance.below(28) as i8);
        let (service, set) = (service_of(&request), self.set());
        let answer = at_once(request.as_bytes(), service, set, &MANNER, &moment, says).ok()?;
        let asked = Entry::asked(
            chance.uuid(),
            moment.at,
            moment.today,
            moment.seed,
            service.id,
            "https://ehr.example",
            &set.hash,
        );
        Some(Entry {
            hook_instance: answer.hook_instance,
            crd_version: answer.version.name().to_owned(),
            assertions: answer.assertions,
            cards: answer.cards,
            policies: answer.policies,
            members: answer.members,
            learned: answer.learned,
            determinations: answer.explanations,
            request: answer.without_token.map_or(request.into(), Bytes::from),
            response: answer.body.into(),
            ..asked
        })
    }

    /// What is this example's own, and must be in no dictionary.
    pub fn own(&self) -> Vec<String> {
        let mut own = BTreeMap::new();
        for part in [&self.request, &self.says] {
            identify(part, "", false, &mut own);
        }
        // Days are nobody's own, but for days of birth; nor is a word.
        own.retain(|own, kind| {
            own.contains(|letter: char| letter.is_ascii_digit() || letter == '-')
                && (*kind != "date" || own.starts_with("19"))
        });
        own.into_keys().collect()
    }
}

/// Finds what tells one patient, order or client from another, and what kind of thing each is.
fn identify(value: &Value, key: &str, payer: bool, found: &mut BTreeMap<String, &'static str>) {
    match value {
        Value::Object(members) => {
            // By its identifiers a payer is known as ours; providers are known by other numbers.
            let organization = members.get("resourceType") == Some(&json!("Organization"));
            let provider = members.get("system") == Some(&json!("http://hl7.org/fhir/sid/us-npi"));
            let payer = (payer || organization) && !provider;
            for (name, member) in members {
                // A value is somebody's own only in these; elsewhere it is a quantity or a code.
                let own = name == "value" && matches!(key, "identifier" | "telecom") && !payer;
                identify(member, if own { "number" } else { name }, payer, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| identify(item, key, payer, found)),
        // The directory's own record.
        Value::String(text) if text.starts_with('{') => {
            let record = serde_json::from_str(text);
            record.iter().for_each(|record| identify(record, key, payer, found));
        }
        Value::String(text) if !text.contains(['"', '\\']) => {
            let tail = text.rsplit_once('/').map_or(text.as_str(), |(_, tail)| tail);
            let (own, kind) = match key {
                "hookInstance" => (text.as_str(), "uuid"),
                "id" | "patientId" | "encounterId" => (text.as_str(), "id"),
                "userId" | "reference" | "selections" | "dispatchedOrders" | "performer" => (tail, "id"),
                "number" | "subscriberId" if !text.contains("://") => (text.as_str(), "number"),
                "family" | "given" | "city" | "line" => (text.as_str(), "name"),
                "postalCode" => (text.as_str(), "digits"),
                "birthDate" | "authoredOn" | "created" => (text.as_str(), "date"),
                _ => return,
            };
            if own.len() > 1 {
                found.insert(own.trim_start_matches('#').to_owned(), kind);
            }
        }
        _ => {}
    }
}

/// Another one of a kind.
fn another(old: &str, kind: &str, style: usize, chance: &mut Chance) -> String {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    match (kind, style) {
        ("uuid", _) | ("id", 0) => chance.uuid().to_string(),
        ("id", 1) => chance.of("0123456789", 11),
        ("id", _) => format!("e{}", chance.of(LETTERS, 22)),
        ("number", _) => format!("{}{}", chance.of("ABCDEFGHJKLMNPRSTUVWXYZ", 3), chance.of("0123456789", 9)),
        ("digits", _) => chance.of("0123456789", 5),
        // Near enough that what was in force is.
        ("date", _) if old.len() >= 10 && old.starts_with("20") => {
            format!("{}{:02}{}", &old[..8], 1 + chance.below(28), &old[10..])
        }
        ("date", _) => format!("{}-{:02}-{:02}", 1935 + chance.below(70), 1 + chance.below(12), 1 + chance.below(28)),
        _ => {
            let length = 3 + chance.below(8);
            format!(
                "{}{}",
                chance.of("ABCDEFGHIJKLMNOPRSTUVWZ", 1),
                chance.of("aaabcdeeeefghiiklmnnoorrsttuvz", length)
            )
        }
    }
}

/// Whether a word is one that [`another`] has made up.
pub fn is_made_up(word: &[u8]) -> bool {
    let digits = |word: &[u8]| word.iter().all(u8::is_ascii_digit);
    match word.len() {
        11 => digits(word),
        12 => word[..3].iter().all(u8::is_ascii_uppercase) && digits(&word[3..]),
        23 => word[0] == b'e' && word[1..].iter().any(u8::is_ascii_uppercase),
        36 => word.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        }),
        _ => false,
    }
}

/// An entry's payload as it is packed: see `record/draft.rs` and `record/pack.rs`.
pub fn payload(entry: &Entry) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Lists<'e> {
        assertions: &'e [String],
        cards: &'e [String],
        policies: &'e [String],
        members: &'e [String],
    }
    let Entry { assertions, cards, policies, members, .. } = entry;
    let lists = serde_json::to_vec(&Lists { assertions, cards, policies, members }).unwrap();
    let Entry { determinations, learned, request, response, manner, .. } = entry;
    let parts: [&[u8]; 6] =
        [&lists, determinations.as_bytes(), learned.as_bytes(), request, response, manner.as_bytes()];
    let mut whole = Vec::new();
    for part in parts {
        whole.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        whole.extend_from_slice(part);
    }
    whole
}
