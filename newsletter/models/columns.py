"""Column types that several tables share."""

from enum import StrEnum

from sqlalchemy import BigInteger, Enum, Integer

# Sixty-four bits on PostgreSQL too; SQLite numbers its rows by plain INTEGER only.
BIG_ID = BigInteger().with_variant(Integer(), "sqlite")


def personal(what: str) -> dict[str, str]:
    """The `info` of a column that holds data about a person: what it is, in Dutch, for the record
    of processing (GDPR 30)."""
    return {"personal": what}


def words(kind: type[StrEnum], length: int = 16) -> Enum:
    """A text column that holds the values of an enum, with a CHECK constraint."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        length=length,
        values_callable=lambda members: [member.value for member in members],
        name=kind.__name__.lower(),
    )
