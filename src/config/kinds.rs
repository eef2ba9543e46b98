//! What each setting may be: a value that cannot be used is refused with what could stand in its place.

use std::net::SocketAddr;

use config::{Config, ConfigError};

use super::{DEFAULTS, SettingsError};

/// Numbers of which 0 has a meaning: any, every, never, or no time at all. Every other number is at least 1, as a limit of 0
/// would refuse everything.
const MAY_BE_ZERO: [&str; 9] = [
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

/// Numbers that are a part of a hundred.
const PERCENT: [&str; 1] = ["limits.client_share"];

/// Settings that are one of a few words.
const WORDS: [(&str, &str, &str); 2] =
    [("payer_check", "when-known", "strict"), ("ledger.on_failure", "refuse", "answer")];

/// What a setting may be.
enum Kind {
    /// A whole number, at least this.
    Number(u64),
    /// A whole number from 1 to 100.
    Percent,
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Word(&'static str, &'static str),
    /// An address with a port.
    Address,
    /// The name of a time zone.
    Zone,
}

impl Kind {
    /// The kind of a setting, where it has one that can be looked at by itself.
    fn of(key: &str, default: &str) -> Option<Self> {
        let word = WORDS.iter().find(|(name, ..)| *name == key);
        match (key, default) {
            ("listen", _) => Some(Self::Address),
            ("time_zone", _) => Some(Self::Zone),
            (_, "true" | "false") => Some(Self::Switch),
            _ if PERCENT.contains(&key) => Some(Self::Percent),
            _ if default.parse::<u64>().is_ok() => Some(Self::Number(u64::from(!MAY_BE_ZERO.contains(&key)))),
            _ => word.map(|(_, one, other)| Self::Word(one, other)),
        }
    }

    /// Whether the value of a key is of this kind.
    fn holds(&self, config: &Config, key: &str) -> Result<bool, ConfigError> {
        Ok(match self {
            Self::Switch => config.get_bool(key).map(|_| true)?,
            Self::Number(least) => config.get_string(key)?.trim().parse::<u64>().is_ok_and(|number| number >= *least),
            Self::Percent => {
                config.get_string(key)?.trim().parse().is_ok_and(|number: u64| (1..=100).contains(&number))
            }
            Self::Word(one, other) => [one, other].contains(&&&*config.get_string(key)?),
            Self::Address => config.get_string(key)?.parse::<SocketAddr>().is_ok(),
            Self::Zone => jiff::tz::TimeZone::get(&config.get_string(key)?).is_ok(),
        })
    }

    /// What may stand there.
    fn words(&self) -> String {
        match self {
            Self::Number(0) => "a whole number".to_owned(),
            Self::Number(least) => format!("a whole number of at least {least}"),
            Self::Percent => "a whole number from 1 to 100".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Word(one, other) => format!("{one} or {other}"),
            Self::Address => "an address with a port, such as 127.0.0.1:8633".to_owned(),
            Self::Zone => "the IANA name of a time zone, such as America/New_York or Etc/UTC".to_owned(),
        }
    }
}

/// Looks whether every setting is of its kind. Lists and paths are looked at where they are read.
pub(super) fn check(config: &Config) -> Result<(), SettingsError> {
    for (key, default) in DEFAULTS {
        let Some(kind) = Kind::of(key, default) else { continue };
        match kind.holds(config, key) {
            // Where a whole table is something else, what reads the settings says so.
            Ok(true) | Err(ConfigError::NotFound(_)) => {}
            _ => return Err(SettingsError::Kind(key, kind.words())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{DEFAULTS, MAY_BE_ZERO, PERCENT, WORDS};

    #[test]
    fn every_name_in_the_tables_is_a_setting() {
        let known = |name: &str| DEFAULTS.iter().any(|(key, _)| *key == name);
        assert!(MAY_BE_ZERO.iter().chain(&PERCENT).all(|name| known(name)));
        assert!(WORDS.iter().all(|(name, ..)| known(name)));
    }
}
