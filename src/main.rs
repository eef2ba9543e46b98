//! The `covenant` command.
fn main() {
    let draft = covenant::policy::load::load(&fhir_resources::embedded());
    match draft {
        Err(p) => {
            for p in p {
                println!("{p}");
            }
        }
        Ok(d) => match covenant::policy::check::prove(d, jiff::civil::date(2026, 11, 22)) {
            Ok((s, p)) => println!("{:?} {}", p, s.hash),
            Err(p) => {
                for p in p.iter().take(40) {
                    println!("{p}");
                }
            }
        },
    }
}
