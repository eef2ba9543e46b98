-- Makes version 2 of version 1: nodes and keys are not removed either.

CREATE TRIGGER nodes_hold BEFORE DELETE ON ledger_nodes FOR EACH ROW EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER keys_hold BEFORE DELETE ON ledger_keys FOR EACH ROW EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER nodes_stay BEFORE TRUNCATE ON ledger_nodes FOR EACH STATEMENT EXECUTE FUNCTION ledger_keep();
CREATE TRIGGER keys_stay BEFORE TRUNCATE ON ledger_keys FOR EACH STATEMENT EXECUTE FUNCTION ledger_keep();
