"""Which tables there are, and how many rows each has: what a backup is compared by."""

from sqlalchemy import Connection, func, inspect, select, table


def names(connection: Connection) -> list[str]:
    """Those of the schema that is ours, in the order of the alphabet."""
    schema = "public" if connection.dialect.name == "postgresql" else None
    return sorted(inspect(connection).get_table_names(schema))


def counted(connection: Connection) -> dict[str, int]:
    """How many rows each has, as this transaction sees them."""
    count = select(func.count())
    return {
        name: connection.scalar(count.select_from(table(name))) or 0 for name in names(connection)
    }
