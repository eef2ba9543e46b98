-- Tokens that were used at any of the servers, by their marks, until they are of no use: no part of what is kept.
-- Earlier ledgers do not have it; it is made wherever it is missing.

CREATE TABLE IF NOT EXISTS ledger_tokens (
    mark  BYTEA PRIMARY KEY,
    until BIGINT NOT NULL
);

CREATE INDEX IF NOT EXISTS ledger_tokens_in_time ON ledger_tokens (until);
