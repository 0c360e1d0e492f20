"""The older two-level markings: `email_classification_list` and its companions (SEC and DLM, standard 2012.3).

legacy = Legacy.from_config(config)          # None where the list is absent or the JSON markers are set
choice = legacy.check(Choice("PROTECTED", "Sensitive:Legal"))
marks = legacy.render(choice, origin="a@b.example")   # for emailplus.classification.stamp and .message
legacy.receive(headers, subject)             # Choice or None
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from ..config import AppConfig
from ..errors import ClassificationDowngrade, ClassificationRefused, ClassificationRequired
from . import epms
from .findings import Finding, error, refuse, shown, warning
from .receive import decoded
from .selection import Reason, Refusal
from .stamp import Block, Marks

HEADER = "X-Protective-Marking"
_ENTRY = re.compile(r"(SEC|DLM)=([!-+\--:<-~]{1,128})")
_MARKED = re.compile(r"(?<!\s)\s*+\[(?:SEC|DLM)[=:][^\[\]]{0,2000}+\]", re.IGNORECASE)
_STYLE = "color:#000000;text-align:center"


class Choice(NamedTuple):
    """One permutation of the list; None for a level that is not set."""

    sec: str | None = None
    dlm: str | None = None

    def __str__(self) -> str:
        return ",".join(f"{tag}={value}" for tag, value in (("SEC", self.sec), ("DLM", self.dlm)) if value)


@dataclass(frozen=True)
class Legacy:
    """The older configuration. `permutations` are the legal choices in the order of the list, rising."""

    permutations: tuple[Choice, ...]
    version: str = "VER=2012.3,NS=gov.au"
    default: Choice | None = None
    body: bool = True
    lock_dlm: bool = False
    required_title: str = "Required"
    required_text: str = "Classification is required"
    sec_label: str = "SEC"
    dlm_label: str = "DLM"
    warnings: tuple[Finding, ...] = ()

    @classmethod
    def from_config(cls, config: AppConfig) -> Legacy | None:
        """The keys of an app config; None where the list is absent or `email_security_classification_json` is set.

        Raises `ConfigurationError` with every finding.
        """
        if config.email_security_classification_json is not None or config.email_classification_list is None:
            return None
        return cls.load(
            list(config.email_classification_list),
            version=config.email_classification_version,
            default=config.email_classification_default,
            body=config.email_classification_body,
            lock_dlm=config.email_classification_lock_dlm,
            required_title=config.email_classification_required_string,
            required_text=config.email_classification_alert_string,
            sec_label=config.email_classification_security_label or "SEC",
            dlm_label=config.email_classification_dlm_label or "DLM",
        )

    @classmethod
    def load(
        cls,
        entries: list[str],
        *,
        version: str = "VER=2012.3,NS=gov.au",
        default: str | None = None,
        body: bool = True,
        lock_dlm: bool = False,
        required_title: str = "Required",
        required_text: str = "Classification is required",
        sec_label: str = "SEC",
        dlm_label: str = "DLM",
    ) -> Legacy:
        """The list entries (`SEC=PROTECTED,DLM=Sensitive`) and their companions. Raises `ConfigurationError`."""
        findings: list[Finding] = []
        choices = [_entry(entry, f"email_classification_list[{at}]", findings) for at, entry in enumerate(entries)]
        permutations = tuple(dict.fromkeys(choice for choice in choices if choice is not None))
        if not permutations:
            findings.append(error("email_classification_list", "no marking in it"))
        if not re.fullmatch(r"VER=\d{4}\.\d{1,4},\s*NS=[A-Za-z0-9.-]{1,128}", version.strip(), re.ASCII):
            findings.append(error("email_classification_version", f"{shown(version)}: as in VER=2012.3,NS=gov.au"))
        chosen = _entry(default, "email_classification_default", findings) if default else None
        if chosen is not None and chosen not in permutations:
            findings.append(error("email_classification_default", f"{shown(default)} is not in the list"))
        if any(finding.severity.value == "error" for finding in findings):
            raise refuse(findings)
        spaced = re.sub(r",\s*", ", ", version.strip())
        return cls(permutations, spaced, chosen, body, lock_dlm, required_title, required_text, sec_label, dlm_label,
                   tuple(findings))  # fmt: skip

    def offered(self, sec: str | None = None) -> tuple[str | None, ...]:
        """The DLM values that go with `sec`; None stands for "no DLM"."""
        return tuple(choice.dlm for choice in self.permutations if choice.sec == sec)

    def check(self, choice: Choice | None, original: Choice | None = None) -> Choice:
        """`choice`, if it may be sent. `original` is the marking of the message that is answered or forwarded.

        Raises `ClassificationRequired` for None, `ClassificationDowngrade` for a lower SEC or (under `lock_dlm`)
        another DLM than the original's, `ClassificationRefused` for what the list does not have.
        """
        if choice is None or choice == Choice():
            raise ClassificationRequired(self.required_text, [Refusal(Reason.REQUIRED, "", self.required_text)])
        if original is not None and self.rank(choice.sec) < self.rank(original.sec):
            refusal = Refusal(Reason.DOWNGRADE, "SEC", f"the original message has {original.sec}; it may not be lower")
            raise ClassificationDowngrade(str(refusal), [refusal])
        if original is not None and self.lock_dlm and original.dlm is not None and choice.dlm != original.dlm:
            refusal = Refusal(Reason.LOCKED, "DLM", f"fixed by the original message: {original.dlm}")
            raise ClassificationDowngrade(str(refusal), [refusal])
        if choice not in self.permutations:
            refusal = Refusal(Reason.UNKNOWN_VALUE, "", f"{str(choice)[:80]} is not in the list")
            raise ClassificationRefused(str(refusal), [refusal])
        return choice

    def start(self, original: Choice | None = None) -> Choice | None:
        """What a new message, or a reply to a marked one, begins with."""
        return original if original is not None and original != Choice() else self.default

    def rank(self, sec: str | None) -> int:
        """Place of a level: the standard's order where it knows the level, else that of the list; -1 for none."""
        if sec is None:
            return -1
        if sec in epms.RANK:
            return epms.RANK[sec]
        listed = list(dict.fromkeys(choice.sec for choice in self.permutations if choice.sec))
        known = [epms.RANK[one] for one in listed[: listed.index(sec) if sec in listed else 0] if one in epms.RANK]
        return max(known, default=0)

    def render(self, choice: Choice, *, origin: str = "", original: Choice | None = None) -> Marks:
        """What is written: header with version and ORIGIN, subject suffix, and body blocks under `body`."""
        self.check(choice, original)
        marking = str(choice).replace(",", ", ")
        sender = re.sub(r"([,:\\])", r"\\\1", origin) if re.fullmatch(r"[!-~]{1,128}", origin) else ""
        value = f"{self.version}, {marking}" + (f", ORIGIN={sender}" if sender else "")
        block = Block(marking, _STYLE) if self.body else None
        old = str(original).replace(",", ", ") if original else ""
        return Marks(
            headers=((HEADER, value),),
            suffix=f"[{marking}]",
            header=block,
            footer=block,
            old_headers=(HEADER,),
            old_blocks=tuple(dict.fromkeys(text for text in (marking, old) if text)) if self.body else (),
            strip=lambda subject: _MARKED.sub("", subject),
        )

    def receive(self, headers: list[tuple[str, str]], subject: str) -> Choice | None:
        """The marking of a received message, values of the list in the list's spelling; None without one."""
        unfolded = [(name, decoded(value)) for name, value in headers if name.lower() == HEADER.lower()]
        found = epms.receive(unfolded, subject)
        own = self._own([value for _, value in unfolded]) or self._own(_MARKED.findall(subject[: epms.MAX_MARKING]))
        if own is not None:
            return own
        if found is None or not found.accepted:
            return None
        return Choice(found.marking.sec, found.marking.dlm)

    def _own(self, texts: list[str]) -> Choice | None:
        """The highest listed permutation among `texts`, compared without case."""
        known = {str(choice).casefold(): choice for choice in self.permutations}
        hits = []
        for text in texts[:100]:
            pairs = re.findall(r"(SEC|DLM)[=:]([^,\[\]]{1,128})", text[: epms.MAX_MARKING], re.IGNORECASE)
            written = ",".join(f"{tag}={value.strip()}" for tag, value in pairs).casefold()
            if written in known:
                hits.append(known[written])
        return max(hits, key=lambda choice: self.rank(choice.sec), default=None)


def _entry(text: str, path: str, findings: list[Finding]) -> Choice | None:
    """One permutation; None, with a finding, for what is not one. An empty entry is skipped."""
    values: dict[str, str] = {}
    for part in text.split(","):
        found = _ENTRY.fullmatch(part.strip())
        if found is None or found[1] in values:
            if text.strip():
                findings.append(warning(path, f"{shown(text)} is not SEC=value, DLM=value or both; ignored"))
            return None
        values[found[1]] = found[2]
    return Choice(values.get("SEC"), values.get("DLM"))
