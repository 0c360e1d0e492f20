"""The Notes class on the wire, from 14.0 on: one row a property (MS-ASNOTE 2.2.2)."""

from __future__ import annotations

from ...model.note import Note
from .body import ASBASE_BODY, NATIVE_BODY_TYPE
from .item_type import ItemType
from .values import NEVER, Row, Table, read_date, read_list, read_text, write_compact, write_list, write_text

SINCE = 140

TABLE = Table(
    (
        Row("Notes:Subject", "subject", read_text, write_text, since=SINCE),
        ASBASE_BODY,
        NATIVE_BODY_TYPE,
        Row("Notes:Categories", "categories", read_list("Notes:Category"), write_list("Notes:Category"), since=SINCE),
        # The server sets it itself (MS-ASNOTE_R84)
        Row("Notes:LastModifiedDate", "modified", read_date, write_compact, since=SINCE, sent_until=0),
        Row("Notes:MessageClass", "message_class", read_text, write_text, since=SINCE, empties_from=NEVER),
    )
)

NOTES = ItemType("Notes", Note, TABLE, whole_by="message_class")
