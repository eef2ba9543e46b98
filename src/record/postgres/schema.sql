-- The ledger in PostgreSQL, version 2. Nothing in it is ever altered; what is removed leaves its hash.
-- The tables are those of the SQLite ledger; see there for what is in them.

CREATE TABLE ledger_nodes (
    node   BIGINT PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    seq    BIGINT NOT NULL,
    hash   BYTEA NOT NULL,
    pruned BIGINT NOT NULL
);

-- In parts, one for each month, which are made when the first record of a month is to be kept.
CREATE TABLE ledger_records (
    node       BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    kind       BIGINT NOT NULL,
    id         BYTEA NOT NULL,
    ids        BYTEA NOT NULL,
    terms      BYTEA NOT NULL,
    head       TEXT NOT NULL,
    dictionary BIGINT NOT NULL,
    key        BIGINT NOT NULL,
    body       BYTEA NOT NULL,
    previous   BYTEA NOT NULL,
    hash       BYTEA NOT NULL,
    PRIMARY KEY (node, seq, at)
) PARTITION BY RANGE (at);

CREATE INDEX ledger_records_in_time ON ledger_records (at, node, seq);

-- What is packed here is compressed and often encrypted already.
ALTER TABLE ledger_records ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE ledger_ids (
    id   BYTEA PRIMARY KEY,
    node BIGINT NOT NULL,
    seq  BIGINT NOT NULL,
    at   BIGINT NOT NULL
);

CREATE TABLE ledger_terms (
    term BYTEA NOT NULL,
    at   BIGINT NOT NULL,
    node BIGINT NOT NULL,
    seq  BIGINT NOT NULL,
    PRIMARY KEY (term, at, node, seq)
) PARTITION BY RANGE (at);

CREATE TABLE ledger_hashes (
    node BIGINT NOT NULL,
    seq  BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (node, seq)
);

CREATE TABLE ledger_keys (
    number  BIGINT PRIMARY KEY,
    master  BIGINT NOT NULL,
    wrapped BYTEA NOT NULL
);

CREATE TABLE ledger_policy_sets (
    hash  TEXT PRIMARY KEY,
    files BYTEA NOT NULL
);

CREATE FUNCTION ledger_keep() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$;

-- A record goes once its hash is there.
CREATE FUNCTION ledger_hold() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM ledger_hashes WHERE node = OLD.node AND seq = OLD.seq) THEN
        RAISE EXCEPTION 'the ledger is append-only';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER records_keep BEFORE UPDATE ON ledger_records FOR EACH ROW EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER records_hold BEFORE DELETE ON ledger_records FOR EACH ROW EXECUTE FUNCTION ledger_hold();
CREATE TRIGGER ids_keep BEFORE UPDATE ON ledger_ids FOR EACH ROW EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER ids_hold BEFORE DELETE ON ledger_ids FOR EACH ROW EXECUTE FUNCTION ledger_hold();
CREATE TRIGGER terms_keep BEFORE UPDATE ON ledger_terms FOR EACH ROW EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER terms_hold BEFORE DELETE ON ledger_terms FOR EACH ROW EXECUTE FUNCTION ledger_hold();
CREATE TRIGGER hashes_keep BEFORE UPDATE OR DELETE ON ledger_hashes FOR EACH ROW EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER policies_keep BEFORE UPDATE OR DELETE ON ledger_policy_sets FOR EACH ROW EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER nodes_hold BEFORE DELETE ON ledger_nodes FOR EACH ROW EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER keys_hold BEFORE DELETE ON ledger_keys FOR EACH ROW EXECUTE FUNCTION ledger_keep();

-- No table is emptied at once. The parts have this of their own, from when they are made.
CREATE TRIGGER records_stay BEFORE TRUNCATE ON ledger_records FOR EACH STATEMENT EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER ids_stay BEFORE TRUNCATE ON ledger_ids FOR EACH STATEMENT EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER terms_stay BEFORE TRUNCATE ON ledger_terms FOR EACH STATEMENT EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER hashes_stay BEFORE TRUNCATE ON ledger_hashes FOR EACH STATEMENT EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER policies_stay BEFORE TRUNCATE ON ledger_policy_sets FOR EACH STATEMENT EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER nodes_stay BEFORE TRUNCATE ON ledger_nodes FOR EACH STATEMENT EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER keys_stay BEFORE TRUNCATE ON ledger_keys FOR EACH STATEMENT EXECUTE FUNCTION ledger_keep();
