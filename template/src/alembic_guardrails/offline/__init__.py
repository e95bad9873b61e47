"""Reading revisions without a database: what `lint`, `sql` and `squash` have in common."""
