"""Every right against everything that a mailbox can do with a message, through both doors, against a server that has
its own opinion: denied with that right alone missing, granted with what it needs alone.

| what                                | a person needs                   | a program besides          |
|-------------------------------------|----------------------------------|----------------------------|
| read, attachment, view, page, note  | nothing                          | ProgrammaticAccessAllowed  |
| search by its words                 | ProgrammaticAccessAllowed        |                            |
| print                               | PrintAllowed                     | ProgrammaticAccessAllowed  |
| copy, screenshot                    | ExtractAllowed                   | ProgrammaticAccessAllowed  |
| export, attach whole                | ExportAllowed (and Forward)      | ProgrammaticAccessAllowed  |
| take the protection off             | ExportAllowed                    | ProgrammaticAccessAllowed  |
| reply, reply to all, forward        | Reply-, ReplyAll-, ForwardAllowed|                            |
| reply to others                     | and ModifyRecipientsAllowed      |                            |
| quote                               | and EditAllowed                  | ProgrammaticAccessAllowed  |
| quote under another template        | and EditAllowed, ExportAllowed   | ProgrammaticAccessAllowed  |
| answer without protection           | and ExportAllowed                | ProgrammaticAccessAllowed  |
| redirect                            | Forward, Edit and Export         | ProgrammaticAccessAllowed  |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emailplus import account
from emailplus.errors import RightsDenied, UsageError
from emailplus.mailbox import Mailbox
from emailplus.mock import MockLicence
from emailplus.mock.mailbox import Item
from emailplus.model.rights import Right
from emailplus.rms.compose import NO_RESTRICTION
from emailplus.rms.gate import Door
from emailplus.store.export import export
from emailplus.store.guarded import inside
from emailplus.telling import Teller

from ..flows.world import NOW, World, mail
from .canaries import FLAGS, OTHER
from .test_answers import BOB, CAROL, T1, USERS
from .test_protected_mail import BODY, RMS, _today

__all__ = ["_today"]

PROGRAM = Right.PROGRAMMATIC_ACCESS
R = Right
NEEDS: dict[str, tuple[set[Right], bool]] = {
    "read": (set(), True),
    "attachment": (set(), True),
    "view": (set(), True),
    "page": (set(), True),
    "preview in a list": (set(), True),
    "notification": (set(), True),
    "search": ({PROGRAM}, False),
    "print": ({R.PRINT}, True),
    "copy": ({R.EXTRACT}, True),
    "screenshot": ({R.EXTRACT}, True),
    "export": ({R.EXPORT}, True),
    "attach whole": ({R.FORWARD, R.EXPORT}, True),
    "reply": ({R.REPLY}, False),
    "reply all": ({R.REPLY_ALL}, False),
    "forward": ({R.FORWARD}, False),
    "reply to others": ({R.REPLY, R.MODIFY_RECIPIENTS}, False),
    "quote": ({R.REPLY, R.EDIT}, True),
    "quote under another template": ({R.REPLY, R.EDIT, R.EXPORT}, True),
    "answer without protection": ({R.REPLY, R.EXPORT}, True),
    "redirect": ({R.FORWARD, R.EDIT, R.EXPORT}, True),
    "take the protection off": ({R.EXPORT}, True),
}
"""Operation -> (what a person needs, whether a program needs ProgrammaticAccessAllowed besides)."""

FLAG_OF = {
    right: flag for right in Right for flag in FLAGS if flag.replace("_", "") == right[: -len("Allowed")].lower()
}


def needed(operation: str, door: Door) -> frozenset[Right]:
    rights, besides = NEEDS[operation]
    return frozenset(rights | ({PROGRAM} if besides and door is Door.PROGRAM else set()))


class Hands:
    """One mailbox and what is done with it: each method is an operation, and says whether it was done."""

    def __init__(self, world: World, mailbox: Mailbox, folder: Path) -> None:
        self.world, self.mailbox, self.folder = world, mailbox, folder

    def read(self, number: int) -> bool:
        return self.mailbox.message(number).text.strip() == BODY

    def attachment(self, number: int) -> bool:
        (file,) = self.mailbox.store.attachments(number)
        return b"".join(self.mailbox.attachment(file.id)) == b"zebra file"

    def view(self, number: int) -> bool:
        return BODY in self.mailbox.view(number).text

    def page(self, number: int) -> bool:
        return BODY in self.mailbox.page(number).html

    def preview_in_a_list(self, number: int) -> bool:
        (hit,) = (hit for hit in self.mailbox.search("subject:plan", limit=None) if hit.id == number)
        return "zebra" in hit.preview

    def notification(self, number: int) -> bool:
        box = self.mailbox
        teller = Teller(box.store, lambda: box.config, box.settings, box.door, None, account.utc_now)
        told = teller.mail(number)
        assert told is not None
        assert told.message.subject.startswith("Plan")
        return "zebra" in repr(told)

    def search(self, number: int) -> bool:
        return number in [hit.id for hit in self.mailbox.search("zebra", limit=None)]

    def print(self, number: int) -> bool:
        return self._page_lets(number, "print", "@media print{body{display:none}}")

    def copy(self, number: int) -> bool:
        return self._page_lets(number, "copy", "user-select:none")

    def _page_lets(self, number: int, operation: str, rule: str) -> bool:
        verdict = self.mailbox.permits(number, operation)
        forbids = rule in self.mailbox.page(number).html  # refused where the page is not for here
        assert forbids is not bool(verdict)
        return bool(verdict)

    def screenshot(self, number: int) -> bool:
        return bool(self.mailbox.permits(number, "screenshot"))

    def export(self, number: int) -> bool:
        target = self.folder / f"{number}"
        report = export(inside(self.mailbox.store), [number], target, "mbox", door=self.mailbox.door)
        assert (b"zebra" in target.read_bytes()) is bool(report.exported)
        return bool(report.exported)

    def attach_whole(self, number: int) -> bool:
        try:
            self.mailbox.forward(number, to="carol@example.test", as_attachment=True)
        except UsageError:  # the gate let it pass; its MIME is not in the store
            pass
        return True

    def reply(self, number: int) -> bool:
        return self._sent(self.mailbox.reply(number, text="Words."), T1)

    def reply_all(self, number: int) -> bool:
        return self._sent(self.mailbox.reply_all(number, text="Words."), T1)

    def forward(self, number: int) -> bool:
        return self._sent(self.mailbox.forward(number, to="carol@example.test", text="Words."), T1, "carol")

    def reply_to_others(self, number: int) -> bool:
        draft = self.mailbox.reply(number, text="Words.")
        return self._sent(replace(draft, to=(CAROL,)), T1, "carol")

    def quote(self, number: int) -> bool:
        return self._quotes(self.mailbox.reply(number, text="Words."), T1)

    def quote_under_another_template(self, number: int) -> bool:
        return self._quotes(replace(self.mailbox.reply(number, text="Words."), template=OTHER[0]), OTHER[0])

    def answer_without_protection(self, number: int) -> bool:
        return self._sent(replace(self.mailbox.reply(number, text="Words."), template=NO_RESTRICTION), None)

    def redirect(self, number: int) -> bool:
        return self._sent(self.mailbox.redirect(number, to="carol@example.test"), T1, "carol")

    def take_the_protection_off(self, number: int) -> bool:
        self.mailbox.remove_protection(number)
        assert self.mailbox.message(number).rights is None
        return True

    def _sent(self, draft: Any, template: str | None, user: str = "bob") -> bool:
        box = self.world.exchange.user(user)
        before = len(box.items())
        self.mailbox.send(draft)
        assert len(box.items()) == before + 1
        item: Item = box.items()[-1]
        assert (item.licence.template_id if item.licence is not None else None) == template
        self.arrived = item
        return True

    def _quotes(self, draft: Any, template: str) -> bool:
        self._sent(draft, template)
        return BODY.encode() in self.arrived.raw


def delivered(world: World, door: Door) -> dict[tuple[str, str], str]:
    """A message for all but each right and for exactly what each operation needs: its subject by (operation, what)."""
    everything = frozenset(Right)
    grants = {everything - {right} for right in Right} | {needed(operation, door) for operation in NEEDS}
    grants_of = sorted(grants, key=sorted)
    subjects = {}
    for number, granted in enumerate(grants_of):
        subjects[granted] = f"Plan {number}"
        licence = MockLicence(**{FLAG_OF[right]: True for right in granted})
        raw = mail(f"Plan {number}", BODY + "\n", attachments=(("plan.txt", b"zebra file"),))
        world.alice.deliver(raw, received=NOW - timedelta(minutes=number + 1), licence=licence)
    cases: dict[tuple[str, str], str] = {}
    for operation in NEEDS:
        cases[operation, "exactly"] = subjects[needed(operation, door)]
        for right in Right:
            cases[operation, right.value] = subjects[everything - {right}]
    return cases


@pytest.mark.parametrize("door", list(Door))
@pytest.mark.parametrize("version", ["14.1", "16.0", "16.1"])
def test_every_right_against_everything(
    make_world: Callable[..., World], tmp_path: Path, version: str, door: Door
) -> None:
    world = make_world(users=USERS, versions=[version])
    world.exchange.rights_templates = [(T1, "Do Not Forward", "No."), OTHER]
    cases = delivered(world, door)
    world.sync(RMS)
    wrong = []
    with world.open(RMS, acting_for_person=door is Door.PERSON) as mailbox:
        numbers = {message.subject: message.id for message in mailbox.store.messages(list(mailbox.store.ids()))}
        mailbox.store.database.execute("UPDATE messages SET preview = 'The plan is zebra.'")  # as some servers send it
        hands = Hands(world, mailbox, tmp_path)
        unsealed: set[str] = set()
        for (operation, case), subject in cases.items():
            if operation == "take the protection off" and subject in unsealed:
                continue  # an earlier case took it off already: what was granted there was seen there
            missing = Right(case) if case != "exactly" else None
            expected = missing not in needed(operation, door)
            try:
                done = getattr(hands, operation.replace(" ", "_"))(numbers[subject])
            except RightsDenied as denied:
                done = False
                if denied.right not in needed(operation, door):
                    wrong.append((operation, case, f"refused for {denied.right or 'no right'}"))
            if operation == "take the protection off" and done:
                unsealed.add(subject)
            if done is not expected:
                wrong.append((operation, case, "done" if done else "refused"))
    assert wrong == [], wrong


def test_the_walk_has_every_operation() -> None:
    assert {operation.replace(" ", "_") for operation in NEEDS} == {n for n in vars(Hands) if not n.startswith("_")}
    assert FLAG_OF.keys() == set(Right)
    assert str(BOB) == "Bob <bob@example.test>"
