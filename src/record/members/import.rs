//! Reads files into a new generation: first who there is, then what is hers. All of it is kept, or nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Imported;
use super::error::ImportError;
use super::file::{self, Found};
use super::key;
use super::resource::{self, ClaimResponse, Coverage, Patient};
use super::store::{Filling, Row};
use crate::record::LedgerError;
use crate::record::pack;

/// A person, while what is hers is read.
#[derive(Clone, Copy)]
struct Person {
    number: u32,
    born: Option<Date>,
}

struct Import<'z> {
    zone: &'z TimeZone,
    filling: Filling,
    /// By the hash of `Patient/1` and of what a Bundle calls it.
    people: HashMap<u64, Person>,
    counts: Imported,
}

/// The bytes that an import of these files will read, for whoever shows its progress: each file is read twice.
///
/// # Errors
/// A file that is not there.
pub fn import_bytes(files: &[PathBuf]) -> Result<u64, ImportError> {
    files.iter().try_fold(0_u64, |sum, file| {
        let failed = |error: std::io::Error| ImportError::File { file: file.clone(), kind: error.kind() };
        Ok(sum.saturating_add(std::fs::metadata(file).map_err(failed)?.len().saturating_mul(2)))
    })
}

/// Imports Patients, Coverages and ClaimResponses of files into the directory of the ledger at `ledger`, which is made if
/// it is not there. The directory that it replaces serves until all of the new one is there. Blocks.
///
/// Each file is NDJSON, or one JSON document: a Bundle or a resource. Other types of resources are counted and passed over.
/// A moment in a period counts as its day in `zone`, the payer's. `progress` hears of the bytes of each step of reading.
///
/// # Errors
/// [`ImportError`]; nothing is kept then.
pub fn import(
    ledger: &Path,
    files: &[PathBuf],
    at: Timestamp,
    zone: &TimeZone,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, ImportError> {
    let filling = Filling::begin(ledger)?;
    let counts = Imported { at, patients: 0, coverages: 0, authorizations: 0, passed_over: 0 };
    let mut import = Import { zone, filling, people: HashMap::new(), counts };
    match import.read(files, progress) {
        Ok(()) => {
            import.filling.serve(&import.counts)?;
            Ok(import.counts)
        }
        Err(error) => {
            import.filling.give_up();
            Err(error)
        }
    }
}

impl Import<'_> {
    fn read(&mut self, files: &[PathBuf], progress: &mut dyn FnMut(u64)) -> Result<(), ImportError> {
        let mut bytes = Vec::with_capacity(files.len());
        for file in files {
            bytes.push(file::each(file, &mut |found| self.person(found), progress)?);
        }
        // What is a person's can stand before her, and in another file: everybody has to be known first.
        for (file, before) in files.iter().zip(bytes) {
            if file::each(file, &mut |found| self.possession(found), progress)? != before {
                return Err(ImportError::Changed { file: file.clone() });
            }
        }
        Ok(())
    }

    fn person(&mut self, found: Found<'_>) -> Result<(), ImportError> {
        if found.kind != "Patient" {
            return Ok(());
        }
        let patient: Patient = resource::read(&found)?;
        let id = patient.id.as_deref().ok_or_else(|| found.unreadable("Patient.id", "is not there"))?;
        let number = u32::try_from(self.counts.patients).map_err(|_| LedgerError::Unstorable)?;
        let person = Person { number, born: patient.born(&found)? };
        let names = [Some(format!("Patient/{id}")), found.full_url.map(str::to_owned)];
        for name in names.into_iter().flatten() {
            if self.people.insert(key::reference(&name), person).is_some() {
                return Err(found.unreadable("Patient.id", "is there a second time"));
            }
        }
        self.counts.patients += 1;
        for identifier in &patient.identifier {
            if let (Some(system), Some(value)) = (&identifier.system, &identifier.value) {
                self.filling.key(key::identifier(system, value), number)?;
            }
        }
        for member_number in patient.member_numbers() {
            self.filling.key(key::member_number(number, member_number), number)?;
            if let Some(born) = person.born {
                self.filling.key(key::number(member_number, born), number)?;
            }
        }
        let Some(born) = person.born else { return Ok(()) };
        for name in &patient.name {
            let family = name.family.as_deref().map(key::folded).unwrap_or_default();
            for given in name.given.iter().flatten().map(|given| key::folded(given)) {
                if !family.is_empty() && !given.is_empty() {
                    self.filling.key(key::name(&family, &given, born), number)?;
                }
            }
        }
        Ok(())
    }

    fn possession(&mut self, found: Found<'_>) -> Result<(), ImportError> {
        match found.kind {
            "Patient" => Ok(()),
            "Coverage" => self.coverage(found),
            "ClaimResponse" => self.authorization(found),
            _ => {
                self.counts.passed_over += 1;
                Ok(())
            }
        }
    }

    fn coverage(&mut self, found: Found<'_>) -> Result<(), ImportError> {
        let coverage: Coverage = resource::read(&found)?;
        let owner = self.owner(coverage.beneficiary(&found)?, &found, "Coverage.beneficiary.reference")?;
        let id = u32::try_from(self.counts.coverages).map_err(|_| LedgerError::Unstorable)?;
        let numbers = coverage.numbers();
        for number in &numbers {
            if let Some(born) = owner.born {
                self.filling.key(key::number(number, born), owner.number)?;
            }
        }
        self.filling.key(key::coverages_of(owner.number), id)?;
        let written = serde_json::to_string(&numbers).map_err(|_| LedgerError::Unstorable)?;
        let packed = pack::squeeze(found.text.as_bytes(), pack::LEVEL)?;
        let (active, days) = (coverage.is_active(&found)?, coverage.days(self.zone, &found)?);
        self.counts.coverages += 1;
        self.filling.row(Row::Coverage(id, written, active, days, packed))
    }

    fn authorization(&mut self, found: Found<'_>) -> Result<(), ImportError> {
        let response: ClaimResponse = resource::read(&found)?;
        let Some(authorized) = response.authorized(self.zone, &found)? else {
            self.counts.passed_over += 1;
            return Ok(());
        };
        let owner = self.owner(authorized.patient, &found, "ClaimResponse.patient.reference")?;
        let id = u32::try_from(self.counts.authorizations).map_err(|_| LedgerError::Unstorable)?;
        self.filling.key(key::authorizations_of(owner.number), id)?;
        let codes = serde_json::to_string(&authorized.codes).map_err(|_| LedgerError::Unstorable)?;
        self.counts.authorizations += 1;
        self.filling.row(Row::Authorization(id, authorized.number.to_owned(), codes, authorized.days))
    }

    /// Whose it is. A person who is in no file means that a file is missing, and half a directory answers wrongly.
    fn owner(&self, reference: &str, found: &Found<'_>, place: &str) -> Result<Person, ImportError> {
        let current = reference.split_once("/_history/").map_or(reference, |(current, _)| current);
        let relative = current.rsplit_once("/Patient/").map(|(_, id)| format!("Patient/{id}"));
        let names = [Some(current.to_owned()), relative].into_iter().flatten();
        let owner = names.map(|name| key::reference(&name)).find_map(|name| self.people.get(&name)).copied();
        owner.ok_or_else(|| found.unreadable(place, "names a Patient who is in none of the files"))
    }
}
