"""What our client says of conversations, from 14.0 on (MS-ASCON 3.1.4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..flows.world import World
from ..mock.client import find, value
from ..mock.test_conversations import CONVERSATIONS, thread


@pytest.mark.parametrize("version", CONVERSATIONS)
def test_our_client_moves_and_finds_conversations(make_world: Callable[..., World], version: str) -> None:
    """What the client must say: MoveAlways, a mail folder, the Mailbox store.

    MS-ASCON_R173, MS-ASCON_R174, MS-ASCON_R134, MS-ASCON_R132, MS-ASCON_R122, MS-ASCON_R136, MS-ASCON_R68,
    MS-ASCON_R70, MS-ASCON_R118, MS-ASCON_R120
    """
    world = make_world(versions=(version,))
    thread(world.exchange)
    with world.open() as mailbox:
        mailbox.sync()
        mailbox.move_conversation(mailbox.search("subject:thread")[0].id, "Deleted Items")
    (request,) = [r for r in world.exchange.requests.of("ItemOperations") if "Move" in repr(r.tree)]
    moved = find(request.tree, "Move")
    assert isinstance(value(moved, "ConversationId"), bytes)
    assert value(moved, "DstFldId") == world.alice.folder("Deleted Items").server_id
    assert find(moved, "Options/MoveAlways") == ("ItemOperations:MoveAlways", None)
    assert request.problems == []
