//! What people see, in a real browser against the real program. Skipped by name where no browser is installed.

#[path = "browser/desk.rs"]
mod desk;
#[path = "browser/other.rs"]
mod other;
#[path = "browser/pages.rs"]
mod pages;
