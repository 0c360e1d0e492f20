from __future__ import annotations

from decimal import Decimal

import pytest

from emailplus.errors import AttachmentTooLarge, MessageTooLarge
from emailplus.model.questions import LargeMessage
from emailplus.policy.limits import MEGABYTE, attachment_size, body_size, in_bytes, outgoing


@pytest.mark.parametrize("megabytes", [Decimal(4), Decimal("0.5"), Decimal("0.1"), 10])
def test_exactly_the_limit_is_allowed_and_one_byte_more_is_refused(megabytes: Decimal | int) -> None:
    limit = in_bytes(megabytes)
    for decide in (body_size, attachment_size):
        assert decide(limit, megabytes).allowed
        assert decide(limit, megabytes).message == ""
        assert not decide(limit + 1, megabytes).allowed


def test_a_megabyte_is_the_binary_one() -> None:
    assert in_bytes(Decimal(4)) == 4_194_304
    assert in_bytes(Decimal("0.5")) == 524_288
    assert in_bytes(Decimal("0.1")) == 104_857  # 104,857.6: the fraction of a byte is dropped


def test_the_messages_are_the_guides() -> None:
    body = body_size(4 * MEGABYTE + 1, 4)
    assert body.message == "Email+ maximum message size exceeded."
    attachment = attachment_size(11 * MEGABYTE, 10)
    assert attachment.message == "Failed To Retrieve Attachment Email+ maximum attachment size exceeded."


def test_a_refusal_becomes_the_error_of_its_kind() -> None:
    error = body_size(5 * MEGABYTE, 4).error()
    assert isinstance(error, MessageTooLarge)
    assert (error.size, error.limit) == (5 * MEGABYTE, 4 * MEGABYTE)
    assert str(error) == "Email+ maximum message size exceeded."
    assert isinstance(attachment_size(11 * MEGABYTE, 10).error(), AttachmentTooLarge)
    with pytest.raises(ValueError, match="nothing was refused"):
        body_size(1, 4).error()


def test_the_guides_example_of_attachments() -> None:
    sizes = [3, 9, 10, 11]
    assert [attachment_size(size * MEGABYTE, 10).allowed for size in sizes] == [True, True, True, False]


QUESTION = "Warning: The message size exceeds 10 MB. Please confirm you would like to continue."


def test_sending_asks_beyond_ten_megabytes() -> None:
    assert outgoing(10 * MEGABYTE) is None
    assert outgoing(0) is None
    asked = outgoing(10 * MEGABYTE + 1)
    assert asked == LargeMessage(text=QUESTION, size=10 * MEGABYTE + 1)
    assert asked.choices == ("cancel", "proceed")


def test_sending_names_the_attachment_that_is_too_large() -> None:
    assert outgoing(9 * MEGABYTE, [("exact.bin", 10 * MEGABYTE)]) is None
    files = [("a.bin", 11 * MEGABYTE), ("b.bin", 12 * MEGABYTE), ("c.bin", 3)]
    assert outgoing(32 * MEGABYTE, files) == LargeMessage(text=QUESTION, size=12 * MEGABYTE, attachment="b.bin")
    # Small files that are large together: it is the message.
    asked = outgoing(11 * MEGABYTE, [("a.bin", 6 * MEGABYTE), ("b.bin", 4 * MEGABYTE)])
    assert asked == LargeMessage(text=QUESTION, size=11 * MEGABYTE, attachment=None)
