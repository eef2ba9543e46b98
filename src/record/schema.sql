-- The ledger, version 2. Nothing in it is ever altered or removed, but for the member directory beside it.

CREATE TABLE entries (
    seq            INTEGER PRIMARY KEY CHECK (seq > 0), -- 1, 2, 3, … without a gap
    id             TEXT NOT NULL,
    at             TEXT NOT NULL,                       -- RFC 3339, UTC
    today          TEXT NOT NULL,
    seed           TEXT NOT NULL,
    service        TEXT NOT NULL,
    hook_instance  TEXT NOT NULL,
    client         TEXT NOT NULL,
    crd_version    TEXT NOT NULL,
    policy_set     TEXT NOT NULL,
    assertions     TEXT NOT NULL,                       -- JSON array of the ids that were promised
    cards          TEXT NOT NULL,                       -- JSON array of the ids of the cards that were shown
    took_micros    INTEGER NOT NULL,
    determinations BLOB NOT NULL,                       -- JSON, zstd
    learned        BLOB NOT NULL,                       -- JSON, zstd: what was asked beside the request
    request        BLOB NOT NULL,                       -- the body, zstd
    response       BLOB NOT NULL,                       -- the body, zstd
    previous       BLOB NOT NULL,                       -- the hash of the entry before; the first has zeros
    hash           BLOB NOT NULL                        -- SHA-256 of all the above: see chain.rs
) STRICT;

-- Finds an entry by what it promised. The entry itself is what was sealed.
CREATE TABLE assertions (
    assertion_id TEXT PRIMARY KEY,
    seq          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Finds an entry by a card that it showed.
CREATE TABLE cards (
    card_id TEXT PRIMARY KEY,
    seq     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What clients told of cards. A chain of its own beside the entries'.
CREATE TABLE feedback (
    seq      INTEGER PRIMARY KEY CHECK (seq > 0),       -- 1, 2, 3, … without a gap
    at       TEXT NOT NULL,                             -- RFC 3339, UTC: when it came
    card_id  TEXT NOT NULL,
    entry    INTEGER NOT NULL,                          -- the place of the entry that showed the card
    client   TEXT NOT NULL,
    outcome  TEXT NOT NULL,                             -- accepted, overridden
    body     BLOB NOT NULL,                             -- the item as it was sent, zstd
    previous BLOB NOT NULL,                             -- the hash of the item before; the first has zeros
    hash     BLOB NOT NULL                              -- SHA-256 of all the above: see feedback.rs
) STRICT;

CREATE INDEX feedback_of_card ON feedback (card_id);

CREATE TABLE policy_sets (
    hash  TEXT PRIMARY KEY,
    files BLOB NOT NULL                                 -- see policies.rs
) STRICT;

-- The member directory lies beside the ledger and is no part of it: it comes and goes in generations, of which one serves.
-- What was said from it is in the entries' `learned`.
CREATE TABLE member_generations (
    generation     INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice
    state          TEXT NOT NULL CHECK (state IN ('filling', 'serving', 'leaving')),
    imported       TEXT,                                -- RFC 3339, UTC: when it began to serve
    patients       INTEGER NOT NULL DEFAULT 0,
    coverages      INTEGER NOT NULL DEFAULT 0,
    authorizations INTEGER NOT NULL DEFAULT 0,
    passed_over    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What leads to a person, and from a person to what is hers. Hashes of what is looked for: see members/key.rs.
CREATE TABLE member_keys (
    generation INTEGER NOT NULL,
    key        BLOB NOT NULL,
    id         INTEGER NOT NULL,                        -- a person's number, or the id of a row below
    PRIMARY KEY (generation, key, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE member_coverages (
    generation INTEGER NOT NULL,
    id         INTEGER NOT NULL,
    numbers    TEXT NOT NULL,                           -- JSON array: subscriberId and the values of identifier
    active     INTEGER NOT NULL,
    first      TEXT,                                    -- days of its period
    last       TEXT,
    coverage   BLOB NOT NULL,                           -- the resource, zstd
    PRIMARY KEY (generation, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE member_authorizations (
    generation INTEGER NOT NULL,
    id         INTEGER NOT NULL,
    number     TEXT NOT NULL,                           -- preAuthRef
    codes      TEXT NOT NULL,                           -- JSON array of arrays: system and code
    first      TEXT,
    last       TEXT,
    PRIMARY KEY (generation, id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER entries_keep   BEFORE UPDATE ON entries     BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER entries_hold   BEFORE DELETE ON entries     BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER assertions_keep BEFORE UPDATE ON assertions BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER assertions_hold BEFORE DELETE ON assertions BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER cards_keep     BEFORE UPDATE ON cards       BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER cards_hold     BEFORE DELETE ON cards       BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER feedback_keep  BEFORE UPDATE ON feedback    BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER feedback_hold  BEFORE DELETE ON feedback    BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER policies_keep  BEFORE UPDATE ON policy_sets BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER policies_hold  BEFORE DELETE ON policy_sets BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
