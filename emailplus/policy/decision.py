"""What a policy answers: may this be done, and if not, why, by which key, and what can be done instead."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import PolicyDenied


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer; true where it allows. `rule` names the key, or the rule of the app policy, that decided."""

    allowed: bool
    reason: str = ""
    """Why not, as a sentence for people; "" where allowed."""
    rule: str = ""
    advice: str = ""
    """What can be done about a refusal."""

    def __bool__(self) -> bool:
        return self.allowed

    def require(self) -> None:
        """Go on, or raise `PolicyDenied`."""
        if not self.allowed:
            raise PolicyDenied(". ".join(filter(None, (self.reason, self.advice))), rule=self.rule)


ALLOWED = Decision(True)


def denied(reason: str, rule: str, advice: str = "Ask the administrator") -> Decision:
    """A refusal."""
    return Decision(False, reason, rule, advice)
