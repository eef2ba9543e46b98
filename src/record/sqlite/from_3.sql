-- Makes version 4 of version 3: nodes and keys are not removed either, and a copy of a file in use is known.

CREATE TABLE served (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    device  INTEGER NOT NULL,
    inode   INTEGER NOT NULL,
    running INTEGER NOT NULL
) STRICT;

CREATE TRIGGER nodes_hold BEFORE DELETE ON nodes BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER keys_hold BEFORE DELETE ON keys BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
