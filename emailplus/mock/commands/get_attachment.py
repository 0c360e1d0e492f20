"""GetAttachment (up to 12.1): an attachment as the body of the answer."""

from __future__ import annotations

from ..context import Answer, Context, HttpError
from .item_operations import find_attachment


def handle(context: Context) -> Answer:
    found = find_attachment(context, context.query.parameters.get("AttachmentName", ""))
    if found is None:
        raise HttpError(500, "no such attachment")
    data, kind = found
    return Answer(body=data, content_type=kind)
