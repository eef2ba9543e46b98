//! Pages for people: HTML from templates that are compiled in, and the files that they load.
//!
//! It serves nothing and asks nobody: what a page says is handed to it.

pub mod assets;
pub mod desk;
pub mod markdown;
pub mod ops;
pub mod policies;

use std::sync::LazyLock;

use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;

/// A page that cannot be written. It is a fault of its template, and no page shows why.
#[derive(Debug, thiserror::Error)]
#[error("a page cannot be written: {0}")]
pub struct PageError(#[from] Error);

/// Every template by its name. All end in `.html`, so that what is filled in is escaped.
const TEMPLATES: [(&str, &str); 10] = [
    ("base.html", include_str!("templates/base.html")),
    ("desk.html", include_str!("templates/desk.html")),
    ("nav.html", include_str!("templates/nav.html")),
    ("no_policy.html", include_str!("templates/no_policy.html")),
    ("ops.html", include_str!("templates/ops.html")),
    ("policies.html", include_str!("templates/policies.html")),
    ("policy.html", include_str!("templates/policy.html")),
    ("policy_body.html", include_str!("templates/policy_body.html")),
    ("policy_versions.html", include_str!("templates/policy_versions.html")),
    ("said.html", include_str!("templates/said.html")),
];

static ENVIRONMENT: LazyLock<Result<Environment<'static>, String>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text).map_err(|error| error.to_string())?;
    }
    Ok(environment)
});

/// Writes a page from a template and what it says.
///
/// # Errors
/// [`PageError`]
pub fn write(template: &str, said: &impl Serialize) -> Result<String, PageError> {
    let environment =
        ENVIRONMENT.as_ref().map_err(|error| PageError(Error::new(ErrorKind::SyntaxError, error.clone())))?;
    Ok(environment.get_template(template)?.render(Serde(said))?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_template_can_be_read() {
        assert_eq!(ENVIRONMENT.as_ref().err(), None);
    }

    #[test]
    fn r01_what_is_filled_in_is_never_markup() {
        let page = write("base.html", &serde_json::json!({ "title": "<script>x</script>", "payer": "A & B" })).unwrap();
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(!page.contains("<script>x"));
    }
}
