//! The `covenant` command.
use covenant::answer::*;
fn main() {
    let d = covenant::policy::load::load(&fhir_resources::embedded())
        .map_err(|p| {
            for p in p {
                println!("{p}");
            }
        })
        .unwrap();
    let (set, proof) = covenant::policy::check::prove(d, jiff::civil::date(2026, 11, 22))
        .map_err(|p| {
            for p in p.iter().take(20) {
                println!("{p}");
            }
        })
        .unwrap();
    eprintln!("{proof:?}");
    let zone = jiff::tz::TimeZone::get("America/New_York").unwrap();
    let limits = covenant::config::Settings::read(None, |_| None).unwrap().limits;
    let manner =
        Manner { limits, payer_check: Default::default(), default_version: covenant::request::version::Version::V2_0 };
    for f in std::env::args().skip(1) {
        let body = std::fs::read(&f).unwrap();
        let out = f.replace(".request.json", ".response.json").replace("cds-hooks/examples", "/tmp/out");
        match answer(&body, &covenant::request::hook::SERVICES[0], &set, &manner, &Moment::now(&zone)) {
            Ok(a) => {
                std::fs::write(out, a.body).unwrap();
                eprintln!("{f} ok {}", a.orders);
            }
            Err(e) => eprintln!("{f} REFUSED {e}"),
        }
    }
}
