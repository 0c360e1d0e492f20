"""The Tasks class on the wire: one row a property (MS-ASTASK 2.2.2)."""

from __future__ import annotations

from ...model.task import Task
from .body import ASBASE_BODY, NATIVE_BODY_TYPE
from .item_type import ItemType
from .recurrence import reader as recurrence_reader
from .recurrence import writer as recurrence_writer
from .values import (
    NEVER,
    Row,
    Table,
    read_boolean,
    read_date,
    read_integer,
    read_list,
    read_local_date,
    read_optional_integer,
    read_text,
    write_boolean,
    write_date,
    write_integer,
    write_list,
    write_local_date,
    write_text,
)

TABLE = Table(
    (
        ASBASE_BODY,
        Row("Tasks:Subject", "subject", read_text, write_text),
        Row("Tasks:Importance", "importance", read_integer, write_integer),
        Row("Tasks:UtcStartDate", "utc_start_date", read_date, write_date, empties_from=NEVER),
        Row("Tasks:StartDate", "start_date", read_local_date, write_local_date, empties_from=NEVER),
        Row("Tasks:UtcDueDate", "utc_due_date", read_date, write_date, empties_from=NEVER),
        Row("Tasks:DueDate", "due_date", read_local_date, write_local_date, empties_from=NEVER),
        Row("Tasks:Categories", "categories", read_list("Tasks:Category"), write_list("Tasks:Category")),
        Row("Tasks:Recurrence", "recurrence", recurrence_reader("Tasks"), None,
            compose=recurrence_writer("Tasks"), empties_from=NEVER),
        Row("Tasks:Complete", "complete", read_boolean, write_boolean),
        Row("Tasks:DateCompleted", "date_completed", read_date, write_date, empties_from=NEVER),
        Row("Tasks:Sensitivity", "sensitivity", read_optional_integer, write_integer, empties_from=NEVER),
        Row("Tasks:ReminderTime", "reminder_time", read_date, write_date, empties_from=NEVER),
        Row("Tasks:ReminderSet", "reminder_set", read_boolean, write_boolean),
        # Part of a task in answers of Exchange 2007 and 2010; in requests only inside a flag (MS-ASTASK_R218)
        Row("Tasks:OrdinalDate", "ordinal_date", read_date, write_date, since=120, sent_until=0),
        Row("Tasks:SubOrdinalDate", "sub_ordinal_date", read_text, write_text, since=120, sent_until=0),
        NATIVE_BODY_TYPE,
    )
)  # fmt: skip

TASKS = ItemType("Tasks", Task, TABLE, body_size=True, whole_by="complete")
