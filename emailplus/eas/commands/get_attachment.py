"""GetAttachment: one attachment as the body of the answer (MS-ASCMD 2.2.1.7); up to 12.1, where ItemOperations has
followed it since 12.0. It has no request body: the attachment is named in the query line."""

from __future__ import annotations

NAME = "GetAttachment"
LAST = 121
"""The last version that has it."""
DEFAULT_TYPE = "text/plain; charset=us-ascii"
"""What an answer without Content-Type is (MS-ASCMD_R165)."""


def parameters(file_reference: str) -> dict[str, str]:
    """The query line's parameters; the reference is AttName or FileReference, as the server gave it."""
    return {"AttachmentName": file_reference}
