"""How MySQL and MariaDB word an index."""

from alembic_guardrails.autogenerate.describe import NAME
from alembic_guardrails.autogenerate.indexes import IndexComparison
from alembic_guardrails.autogenerate.mysql import unescape
from sqlalchemy import Index

# What SHOW INDEX says of a part of an index, and MySQL alone of an expression.
PART = ("non_unique", "column_name", "collation", "sub_part", "index_type", "expression")
SEPARATOR = "; "


class MySQLIndexes(IndexComparison):
    """Compares indexes by what SHOW INDEX says of each of their parts."""

    def definitions(self, table: str) -> dict[str, str]:
        """Return the parts of the indexes of a table, as text."""
        found: dict[str, list[str]] = {}
        for row in self.connection.exec_driver_sql(f"SHOW INDEX FROM {table}").mappings():
            part = {key.lower(): value for key, value in row.items()}
            # Ascending is A, or NULL for an array in a temporary table.
            part["collation"] = "DESC" if part["collation"] == "D" else None
            # Of temporary tables, the server escapes no quotes of what it shows.
            if part.get("expression") and table != NAME:
                part["expression"] = unescape(part["expression"])
            words = [part[name] for name in PART if part.get(name) is not None]
            found.setdefault(part["key_name"], []).append(" ".join(map(str, words)))
        return {name: SEPARATOR.join(parts) for name, parts in found.items()}

    def find(self, index: Index, table: str) -> str | None:
        """Return the parts of an index, or None if SQLAlchemy has not read all of them.

        No model says `WITHOUT OVERLAPS`, which has the two columns of a period as parts.
        """
        found = super().find(index, table)
        has_all = found and len(found.split(SEPARATOR)) == len(index.expressions)
        return found if has_all else None

    def word_columns(self, names: list[str], is_unique: bool) -> str:
        """Return the parts of an index on columns, whose names are as they are."""
        bare = [name.strip("`").replace("``", "`") for name in names]
        return SEPARATOR.join(f"{int(not is_unique)} {name} BTREE" for name in bare)

    def word(self, index: Index, table: str) -> list[str]:
        """Return the parts of an index. No savepoint survives an index on a temporary table."""
        # LIKE would copy FULLTEXT indexes, which no temporary table has.
        copy = f"CREATE TEMPORARY TABLE {NAME} AS SELECT * FROM {table} WHERE 1 = 0"  # noqa: S608
        self.connection.exec_driver_sql(copy)
        try:
            self.create(index)
            return [self.definitions(NAME)[str(index.name)]]
        finally:
            self.connection.exec_driver_sql(f"DROP TEMPORARY TABLE {NAME}")


INDEX_COMPARISON = MySQLIndexes
