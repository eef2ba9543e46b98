-- What the database holds the ledger in: for each table, or part of one, its columns, keys, triggers and rules; and the
-- functions that its triggers call. `shape.txt` is what this says of a ledger that is as it was made.
WITH relations AS (
    SELECT c.oid, CASE WHEN c.relispartition THEN p.relname || ' part' ELSE c.relname END AS kind, c.relname
    FROM pg_class AS c LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid LEFT JOIN pg_class AS p ON p.oid = i.inhparent
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname LIKE 'ledger\_%'
)
SELECT r.relname::text, r.kind::text, format('column %s %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN '' ELSE ' null' END)
FROM relations AS r JOIN pg_attribute AS a ON a.attrelid = r.oid WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT r.relname::text, r.kind::text, format('trigger %s %s %s %s%s', t.tgname, t.tgtype, f.proname, t.tgenabled,
    CASE WHEN t.tgqual IS NULL THEN '' ELSE ' when' END)
FROM relations AS r JOIN pg_trigger AS t ON t.tgrelid = r.oid JOIN pg_proc AS f ON f.oid = t.tgfoid
UNION ALL
SELECT r.relname::text, r.kind::text, format('key %s', pg_get_constraintdef(k.oid))
FROM relations AS r JOIN pg_constraint AS k ON k.conrelid = r.oid WHERE k.contype IN ('p', 'u')
UNION ALL
SELECT r.relname::text, r.kind::text, format('rule %s', w.rulename)
FROM relations AS r JOIN pg_rewrite AS w ON w.ev_class = r.oid
UNION ALL
SELECT f.proname::text, f.proname::text, format('function %s', regexp_replace(trim(f.prosrc), '\s+', ' ', 'g'))
FROM pg_proc AS f
WHERE f.pronamespace = current_schema()::regnamespace AND f.proname IN ('ledger_keep', 'ledger_hold')
ORDER BY 2, 1, 3
