"""What a licence grants (MS-ASRM 2.2.2.14): plain data. What follows from it is decided in `emailplus.rms`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Right(StrEnum):
    """One right of a licence; the value is the name of its element."""

    EDIT = "EditAllowed"
    EXPORT = "ExportAllowed"
    EXTRACT = "ExtractAllowed"
    FORWARD = "ForwardAllowed"
    MODIFY_RECIPIENTS = "ModifyRecipientsAllowed"
    PRINT = "PrintAllowed"
    PROGRAMMATIC_ACCESS = "ProgrammaticAccessAllowed"
    REPLY = "ReplyAllowed"
    REPLY_ALL = "ReplyAllAllowed"


@dataclass(frozen=True, slots=True)
class Licence:
    """RightsManagementLicense of one message. What could not be read of it is in `faults`, and is not granted."""

    granted: frozenset[Right] = frozenset()
    expires: datetime | None = None
    """ContentExpiryDate; None: it never expires (year 9999), or the date could not be read: then `undated`."""
    undated: bool = False
    """The date could not be read or was not there: nobody knows whether the content may still be seen."""
    owner: bool = False
    """The user owns the content. Information only: it grants nothing (MS-ASRM_R74)."""
    content_owner: str = ""
    template_id: str = ""
    template_name: str = ""
    template_description: str = ""
    faults: tuple[str, ...] = ()

    def grants(self, right: Right) -> bool:
        """Whether the licence names this right as granted. Expiry is another question."""
        return right in self.granted

    def to_json(self) -> str:
        """For the store."""
        return json.dumps(
            {
                "granted": sorted(self.granted),
                "expires": self.expires.isoformat() if self.expires is not None else None,
                "undated": self.undated,
                "owner": self.owner,
                "content_owner": self.content_owner,
                "template": [self.template_id, self.template_name, self.template_description],
                "faults": list(self.faults),
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Licence:
        """Read what `to_json` wrote. Anything else gives a licence that grants nothing."""
        try:
            document = json.loads(text)
            expires = document["expires"]
            identity, name, description = document["template"]
            return cls(
                granted=frozenset(Right(right) for right in document["granted"]),
                expires=datetime.fromisoformat(expires) if expires is not None else None,
                undated=bool(document["undated"]),
                owner=bool(document["owner"]),
                content_owner=str(document["content_owner"]),
                template_id=str(identity),
                template_name=str(name),
                template_description=str(description),
                faults=tuple(map(str, document["faults"])),
            )
        except (ValueError, KeyError, TypeError):
            return cls(undated=True, faults=("the licence in the store cannot be read",))
