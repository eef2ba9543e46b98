//! Looking back at what was recorded: what is shown, to whom, and that every look is kept before anything is shown.

mod both;
mod exported;
mod ops;
