//! Policies and facts as few numbers, decided a second time, and the guide's invariants.

#[path = "../../tests/decide_laws/files.rs"]
pub mod files;
#[path = "../../tests/decide_laws/guide.rs"]
pub mod guide;
#[path = "../../tests/decide_laws/model.rs"]
pub mod model;
#[path = "../../tests/decide_laws/naive.rs"]
pub mod naive;
