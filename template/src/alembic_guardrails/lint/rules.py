"""The rules of lint."""

DROPPED = "the previous release may still use it; stop using it in one release, drop it in the next"

RENAMED = "the previous release uses the old name; add the new one, fill it, drop the old one later"

REWRITTEN = "nobody can write while the table is rewritten; add a column and fill it in batches"

CHECKED = (
    "nobody can write while all rows are checked, and bad rows stop it; mend them first, and on"
    " PostgreSQL add it NOT VALID, then VALIDATE it in a later revision"
)

RULES = {
    "adding-field-with-default": f"each row gets a value of its own; {REWRITTEN}",
    "adding-foreign-key-constraint": CHECKED,
    "adding-not-nullable-field": "empty values stop it, and the previous release may write more;"
    " fill them first, and on PostgreSQL add a CHECK (... IS NOT NULL) NOT VALID, then VALIDATE it"
    " and set NOT NULL in a later revision",
    "adding-required-field": "rows and the previous release have no value for it; give it a server"
    " default, or make it nullable and fill it first",
    "adding-serial-primary-key-field": "the table is locked while its key is built; on PostgreSQL"
    " build a unique index concurrently and add the key USING INDEX, elsewhere fill a new table",
    "ban-concurrent-index-creation-in-transaction": "what shares the revision is committed half-way"
    " or fails; give a concurrent index, or an autocommit block, a revision of its own",
    "ban-drop-column": DROPPED,
    "ban-drop-default": "the previous release may leave the column out; drop it one release later",
    "ban-drop-table": DROPPED,
    "ban-drop-view": DROPPED,
    "ban-lock-table": "everyone waits until the revision ends; change a few rows at a time instead",
    "ban-truncate": "the previous release loses its rows, and waits; delete them in batches",
    "changing-column-type": f"values may not fit, and {REWRITTEN}",
    "changing-every-row": "rows stay locked until all are changed; change them in batches, by key",
    "constraint-missing-not-valid": CHECKED,
    "disallowed-unique-constraint": "rows that repeat stop it, and the previous release may write"
    " more; look for them first, and on PostgreSQL build the index concurrently, then add the"
    " constraint USING INDEX",
    "mixing-data-and-schema": "readers wait for the changed table until the rows are changed, too;"
    " change rows in a revision of their own",
    "renaming-column": RENAMED,
    "renaming-table": RENAMED,
    "require-concurrent-index-creation": "nobody can write while the index is built; make it with"
    " create_index_concurrently, in a revision of its own",
    "rewriting-table": "the table is locked while it is copied; do it when nobody needs it",
    "syntax-error": "squawk cannot read this, and so nothing else here; mend it, or look twice",
}
