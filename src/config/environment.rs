//! The environment: every `COVENANT_*` variable is a setting's, or the server does not start.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use super::{DEFAULTS, Settings, SettingsError, variable};

/// What the variables of settings begin with.
const PREFIX: &str = "COVENANT_";

impl Settings {
    /// Reads the settings with the variables of a process. One that begins like a setting's and is none stops the start: a
    /// setting that was misspelt would otherwise be as if it had not been made. It is told by name, as its value may be a
    /// secret.
    ///
    /// # Errors
    /// [`SettingsError`]: a variable is unknown or no text, or a setting is unknown, unreadable or unsafe.
    pub fn of_process(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let names: Vec<String> = DEFAULTS.iter().map(|(key, _)| variable(key)).collect();
        let (mut values, mut unknown) = (HashMap::new(), Vec::new());
        for (name, value) in variables {
            let name = name.to_string_lossy().into_owned();
            if !name.starts_with(PREFIX) {
                continue;
            }
            if !names.contains(&name) {
                unknown.push(name);
                continue;
            }
            let value = value.into_string().map_err(|_| SettingsError::NoText(name.clone()))?;
            values.insert(name, value);
        }
        if !unknown.is_empty() {
            unknown.sort_unstable();
            return Err(SettingsError::Variables(unknown.join(", ")));
        }
        Self::read(file, |name| values.get(name).cloned())
    }
}
