//! What is logged of the ledger and the member directory: errors in the sentences of their own table, and places in a chain.

use std::fmt::Display;

/// It cannot be written from now on.
pub fn cannot_be_written(error: impl Display) {
    tracing::error!(%error, "the ledger cannot be written");
}

/// It can be written again.
pub fn can_be_written() {
    tracing::info!("the ledger can be written again");
}

/// The last records are not as they were left.
pub fn end_is_damaged(flaw: impl Display) {
    tracing::error!(%flaw, "the ledger's end is damaged");
}

/// The disk failed.
pub fn disk_failed() {
    tracing::error!("the disk failed to keep the ledger; it is written no more");
}

/// What waits in the WAL may be moved though the disk has failed.
pub fn may_be_checkpointed(error: impl Display) {
    tracing::error!(%error, "the ledger's WAL may be checkpointed");
}

/// What waits in the WAL stays there.
pub fn not_checkpointed(error: impl Display) {
    tracing::warn!(%error, "the ledger's WAL could not be moved into its file");
}

/// The operator has chosen that it is given all the same.
pub fn answer_is_not_kept(id: impl Display, error: impl Display) {
    tracing::error!(%id, %error, "AN ANSWER IS GIVEN THAT IS NOT IN THE LEDGER, as ledger.on_failure says");
}

/// An earlier version's ledger is this version's from now on.
pub fn upgraded() {
    tracing::info!("the ledger was an earlier version's; its schema is upgraded");
}

/// A copy is opened whose original was in use when it was made.
pub fn is_a_copy_of_one_in_use() {
    tracing::error!(
        "THE LEDGER IS A COPY that was made while a server wrote to it, or it was moved after its server was killed: \
         what was only in the -wal file then may be missing. Compare `covenant ledger verify` with heads kept elsewhere, \
         and make copies with `covenant ledger backup`"
    );
}

/// It is still in use, so it was not closed.
pub fn not_closed() {
    tracing::warn!("the ledger was still in use at the end, and was not closed; its -wal file belongs to it");
}

/// Nobody can be looked up.
pub fn members_cannot_be_read(error: impl Display) {
    tracing::error!(%error, "the member directory could not be read");
}

/// What was replaced is not swept away.
pub fn members_before_take_space(error: impl Display) {
    tracing::warn!(%error, "the directory before this one is out of use, but still takes space");
}

/// What was given up is not swept away.
pub fn members_of_no_use_take_space(error: impl Display) {
    tracing::warn!(%error, "what was imported is not in use, but still takes space");
}

/// Used tokens that are over are still there.
pub fn tokens_not_removed() {
    tracing::info!("tokens that are over could not be removed; it is tried again");
}
