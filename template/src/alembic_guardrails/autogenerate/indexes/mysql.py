"""How MySQL and MariaDB word an index."""

from alembic_guardrails.autogenerate.describe import NAME
from alembic_guardrails.autogenerate.indexes import IndexComparison
from sqlalchemy import Index

# What SHOW INDEX says of a part of an index, and MySQL alone of an expression.
PART = ("non_unique", "column_name", "collation", "sub_part", "index_type", "expression")


class MySQLIndexes(IndexComparison):
    """Compares indexes by what SHOW INDEX says of each of their parts."""

    def definitions(self, table: str) -> dict[str, str]:
        """Return the parts of the indexes of a table, as text."""
        found: dict[str, list[str]] = {}
        for row in self.connection.exec_driver_sql(f"SHOW INDEX FROM {table}").mappings():
            part = {key.lower(): value for key, value in row.items()}
            words = [part[name] for name in PART if part.get(name) is not None]
            found.setdefault(part["key_name"], []).append(" ".join(map(str, words)))
        return {name: ", ".join(parts) for name, parts in found.items()}

    def word_columns(self, names: list[str], is_unique: bool) -> str:
        """Return the parts of an index on columns, whose names are as they are."""
        bare = [name.strip("`").replace("``", "`") for name in names]
        return ", ".join(f"{int(not is_unique)} {name} A BTREE" for name in bare)

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
