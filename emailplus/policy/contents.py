"""What becomes of a message's body and attachments: stored, fetched apart, or refused by a size limit."""

from __future__ import annotations

from ..model.message import Attachment, Body, BodyType, Message
from .body_preference import ContentPolicy
from .limits import ATTACHMENT_MESSAGE, BODY_MESSAGE

FORBIDDEN = "The server's policy does not allow attachments."


def decide(message: Message, policy: ContentPolicy) -> None:
    """Set the states of a message that a Sync brought.

    Our limits are kept on receipt too, for servers that ignore truncation. A MIME body that would carry a refused
    attachment is dropped: the text is fetched in its place. So is one that is too large and was asked for only to see
    the header fields.
    """
    mime = message.body is not None and message.body.type == BodyType.MIME
    for attachment in message.attachments:
        decide_attachment(attachment, policy, inside_mime=mime)
    if message.body is None:
        return
    message.body_state, message.body_reason = body_state(message.body, policy)
    refused = any(attachment.state == "refused" for attachment in message.attachments)
    too_large = message.body_state == "refused"
    if mime and (policy.mime_for_headers and not policy.always_fetch_mime if too_large else refused):
        message.body_state, message.body_reason = "pending", ""
        for attachment in message.attachments:
            decide_attachment(attachment, policy, inside_mime=False)
        message.body = Body(BodyType.HTML, b"", 0)
    elif message.body_state != "stored":
        if mime and message.body_state == "refused":
            for attachment in message.attachments:
                decide_attachment(attachment, policy, inside_mime=False)
        message.body = Body(message.body.type, b"", message.body.size)


def body_state(body: Body, policy: ContentPolicy) -> tuple[str, str]:
    """State and reason of a body. The size of one cut by the server is its estimate, of a whole one its length."""
    size = max(body.size, len(body.data)) if body.truncated else len(body.data)
    if policy.max_body is not None and size > policy.max_body:
        body.size = size
        return "refused", BODY_MESSAGE
    if body.truncated:
        return "pending", ""
    body.size = len(body.data)
    return "stored", ""


def decide_attachment(attachment: Attachment, policy: ContentPolicy, *, inside_mime: bool) -> None:
    """Set the state of one attachment; one that comes inside the MIME is there with it."""
    if not policy.attachments:
        attachment.state, attachment.reason = "refused", FORBIDDEN
    elif policy.max_attachment is not None and attachment.size > policy.max_attachment:
        attachment.state, attachment.reason = "refused", ATTACHMENT_MESSAGE
    else:
        attachment.state, attachment.reason = ("stored" if inside_mime else "pending"), ""
