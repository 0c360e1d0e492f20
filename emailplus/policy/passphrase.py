"""What a server's policy asks of a password, and whether the passphrase that opens the store meets it.

    element                              met by a passphrase                                    MS-ASPROV
    DevicePasswordEnabled                that is there: without it nothing can be read          R734
    MinDevicePasswordLength              of so many characters                                  R745
    AlphanumericDevicePasswordRequired   with letters and with digits or other characters       R730
    MinDevicePasswordComplexCharacters   with so many of: lower case, upper case, digits, rest  R283, R284
    AllowSimpleDevicePassword = 0        not of repeated or of consecutive characters only      R136
    MaxDevicePasswordFailedAttempts      as with any: `store.attempts` counts the wrong ones     R603

How old it is and what it was before is not kept, so DevicePasswordExpiration and DevicePasswordHistory are not met.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise

from .server_policy import ServerPolicy


@dataclass(frozen=True, slots=True)
class Passphrase:
    """What is known of a passphrase without knowing it."""

    length: int
    groups: int
    """Of the four groups of characters, how many occur (R284)."""
    alphanumeric: bool
    simple: bool

    @classmethod
    def of(cls, text: str) -> Passphrase:
        """Measure a passphrase."""
        lower, upper = any(map(str.islower, text)), any(map(str.isupper, text))
        digits, others = any(map(str.isdigit, text)), any(not char.isalnum() for char in text)
        letters = any(map(str.isalpha, text))
        steps = {ord(after) - ord(before) for before, after in pairwise(text)}
        return cls(
            length=len(text),
            groups=lower + upper + digits + others,
            alphanumeric=letters and (digits or others),
            simple=len(steps) <= 1 and steps <= {-1, 0, 1},
        )

    def to_json(self) -> str:
        """For the store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Passphrase:
        """The inverse of `to_json`."""
        return cls(**json.loads(text))

    def meets(self, policy: ServerPolicy) -> frozenset[str]:
        """The elements of `policy` that it meets."""
        tests = {
            "DevicePasswordEnabled": True,
            "MinDevicePasswordLength": self.length >= (policy.MinDevicePasswordLength or 0),
            "AlphanumericDevicePasswordRequired": self.alphanumeric,
            "MinDevicePasswordComplexCharacters": self.groups >= (policy.MinDevicePasswordComplexCharacters or 0),
            "AllowSimpleDevicePassword": not self.simple,
            "MaxDevicePasswordFailedAttempts": True,
        }
        return frozenset(element for element, met in tests.items() if met)
