"""The administrator's app config and the server's policy together: of every limit the stricter.

    limit                 app config                                   server's policy (MS-ASPROV)
    period of mail        email_max_sync_period, the user's choice     MaxEmailAgeFilter (R257)
    period of events      none: calendars sync whole                   MaxCalendarAgeFilter (R245)
    size of a mail        email_max_body_size                          MaxEmailBodyTruncationSize,
                                                                       MaxEmailHTMLBodyTruncationSize (R266, R272)
    size of an attachment email_max_attachment                         MaxAttachmentSize (R602: empty is no limit)
    attachments at all    none                                         AttachmentsEnabled (R206)
    HTML in mail          none                                         AllowHTMLEmail (R107)

The smaller of the two truncation sizes counts for every body: a server that cuts text at one size and HTML at another
is obeyed in both. -1 is no limit, 0 lets no body through (R267, R268).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..config import AppConfig
from .limits import in_bytes
from .server_policy import ServerPolicy
from .sync_period import calendar_filter_type, effective_period


@dataclass(frozen=True, slots=True)
class Merged:
    """What holds, and in `from_server` the names of the limits that the server made stricter."""

    sync_period: int
    calendar_filter: int
    """FilterType of the Calendar class; 0: everything."""
    max_body: int
    max_attachment: int
    attachments: bool
    html: bool
    from_server: frozenset[str]


def merge(config: AppConfig, policy: ServerPolicy | None, *, choice: int | None = None) -> Merged:
    """The limits in force; `choice` is the user's sync period, None while there is none."""
    policy = policy or ServerPolicy()
    asked, maximum = config.email_default_sync_period, config.email_max_sync_period
    alone = effective_period(default=asked, maximum=maximum, choice=choice)
    period = effective_period(default=asked, maximum=maximum, choice=choice, server_maximum=policy.MaxEmailAgeFilter)
    body, attachment = in_bytes(config.email_max_body_size), in_bytes(config.email_max_attachment)
    max_body = _smallest(body, policy.MaxEmailBodyTruncationSize, policy.MaxEmailHTMLBodyTruncationSize)
    max_attachment = _smallest(attachment, policy.MaxAttachmentSize)
    calendar = calendar_filter_type(policy.MaxCalendarAgeFilter)
    stricter = {
        "sync_period": period != alone,
        "calendar_filter": calendar != 0,
        "max_body": max_body != body,
        "max_attachment": max_attachment != attachment,
        "attachments": policy.AttachmentsEnabled is False,
        "html": policy.AllowHTMLEmail is False,
    }
    return Merged(
        sync_period=period,
        calendar_filter=calendar,
        max_body=max_body,
        max_attachment=max_attachment,
        attachments=policy.AttachmentsEnabled is not False,
        html=policy.AllowHTMLEmail is not False,
        from_server=frozenset(name for name, holds in stricter.items() if holds),
    )


def _smallest(limit: int, *others: int | None) -> int:
    return min([limit, *(other for other in others if other is not None and other >= 0)])
