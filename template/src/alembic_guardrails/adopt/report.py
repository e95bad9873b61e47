"""What `adopt` prints: what became of everything in the database."""

from collections.abc import Iterator, Mapping

from alembic_guardrails.adopt.base import TableName, describe
from alembic_guardrails.adopt.inventory import Inventory
from alembic_guardrails.ignore import FILE, PARENT, IgnoreList

LONGEST_GAP = 300


def report(
    inventory: Inventory,
    ignore_list: IgnoreList,
    models: Mapping[TableName, str],
    outside_schema: str,
) -> Iterator[str]:
    """Write two tables, a line at a time: what is adopted and as what; what is not, and why."""
    became = {describe(table): words for table, words in models.items()}
    became |= {
        describe(table): f"{kind}, no model" for table, kind in inventory.without_model.items()
    }
    adopted: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for item in inventory.schema:
        plain = item.replace('"', "")
        if PARENT.search(plain):
            continue
        if ignore_list.matches(item):
            left_out[plain] = inventory.left_out.get(plain, f"migrations/{FILE} lists it")
        else:
            adopted[plain] = became.get(plain, "SQL in the baseline revision")
    left_out |= inventory.in_extensions
    if outside_schema:
        left_out[outside_schema] = "not part of a schema"
    width = max(map(len, ("adopted", *adopted, *left_out)))
    yield f"{'adopted':{width}}  as"
    yield from (f"{name:{width}}  {words}" for name, words in adopted.items())
    if left_out:
        yield f"\n{'left out':{width}}  why"
        yield from (f"{name:{width}}  {words}" for name, words in left_out.items())


def report_gaps(gaps: list[str]) -> Iterator[str]:
    """Write what the models do not say as it is, a line at a time."""
    if gaps:
        yield "\nThe models do not say this as it is in the database; complete them by hand:"
        yield from (gap[:LONGEST_GAP] for gap in gaps)
