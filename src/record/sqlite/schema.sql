-- The ledger, version 4. Nothing in it is ever altered; what is removed leaves its hash.

-- Who writes. In a file there is one: the server. (A command beside it writes in its name, under the file's lock.)
CREATE TABLE nodes (
    node   INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    seq    INTEGER NOT NULL,                            -- the place of its last record; 0 for none
    hash   BLOB NOT NULL,                               -- and that record's hash
    pruned INTEGER NOT NULL                             -- the place of the last record that was removed; 0 for none
) STRICT;

CREATE TABLE records (
    node       INTEGER NOT NULL,
    seq        INTEGER NOT NULL CHECK (seq > 0),        -- 1, 2, 3, … without a gap
    at         INTEGER NOT NULL,                        -- nanoseconds since 1970 began, UTC
    kind       INTEGER NOT NULL,                        -- 1 entry, 2 feedback, 3 look, 4 pruning
    id         BLOB NOT NULL,                           -- a uuid
    ids        BLOB NOT NULL,                           -- keys that are its own: see key.rs
    terms      BLOB NOT NULL,                           -- keys that others have too
    head       TEXT NOT NULL,                           -- JSON that tells of no patient
    dictionary INTEGER NOT NULL,                        -- what the body is compressed under; 0 for nothing
    key        INTEGER NOT NULL,                        -- what the body is encrypted with; 0 for nothing
    body       BLOB NOT NULL,                           -- the payload: see pack.rs
    previous   BLOB NOT NULL,                           -- the hash of the record before; the first has zeros
    hash       BLOB NOT NULL,                           -- SHA-256 of all the above: see chain.rs
    PRIMARY KEY (node, seq)
) STRICT;

CREATE INDEX records_in_time ON records (at, node, seq);

-- Finds a record by what is its own. The record itself is what was sealed.
CREATE TABLE ids (
    id   BLOB PRIMARY KEY,
    node INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Finds records by what they have in common.
CREATE TABLE terms (
    term BLOB NOT NULL,
    at   INTEGER NOT NULL,
    node INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    PRIMARY KEY (term, at, node, seq)
) STRICT, WITHOUT ROWID;

-- What is left of a record that was removed.
CREATE TABLE hashes (
    node INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (node, seq)
) STRICT, WITHOUT ROWID;

-- Data keys, each wrapped by a master key that is not here: see keyring.rs.
CREATE TABLE keys (
    number  INTEGER PRIMARY KEY,
    master  INTEGER NOT NULL,
    wrapped BLOB NOT NULL
) STRICT;

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

-- Where the file lay when a server last began to serve from it, and whether that server still does: by this a copy of a
-- file in use is known.
CREATE TABLE served (
    one     INTEGER PRIMARY KEY CHECK (one = 1),        -- one row at most
    device  INTEGER NOT NULL,
    inode   INTEGER NOT NULL,
    running INTEGER NOT NULL
) STRICT;

CREATE TRIGGER records_keep BEFORE UPDATE ON records BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ids_keep BEFORE UPDATE ON ids BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER terms_keep BEFORE UPDATE ON terms BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER hashes_keep BEFORE UPDATE ON hashes BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER policies_keep BEFORE UPDATE ON policy_sets BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER hashes_hold BEFORE DELETE ON hashes BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER policies_hold BEFORE DELETE ON policy_sets BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
-- A record goes once its hash is there.
CREATE TRIGGER records_hold BEFORE DELETE ON records
    WHEN NOT EXISTS (SELECT 1 FROM hashes WHERE node = OLD.node AND seq = OLD.seq)
    BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ids_hold BEFORE DELETE ON ids
    WHEN NOT EXISTS (SELECT 1 FROM hashes WHERE node = OLD.node AND seq = OLD.seq)
    BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER terms_hold BEFORE DELETE ON terms
    WHEN NOT EXISTS (SELECT 1 FROM hashes WHERE node = OLD.node AND seq = OLD.seq)
    BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER nodes_hold BEFORE DELETE ON nodes BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER keys_hold BEFORE DELETE ON keys BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
