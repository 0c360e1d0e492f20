"""How much of a message from a stranger this room is ready to take in. Each limit has its reason beside it."""

from __future__ import annotations

MAX_CMS_BYTES = 256 * 1024 * 1024
"""One CMS object. Exchange's own ceiling for a message is 150 MB; base64 and nesting are on top."""

MAX_ASN1_DEPTH = 64
"""Nesting of elements. A certificate with every extension stays below 20."""

MAX_ASN1_ELEMENTS = 1_000_000
"""Elements walked by the BER normaliser. 32 MB in the chunks of 1,000 octets that some senders write are 33,000."""

MAX_LAYERS = 8
"""S/MIME layers in each other. Triple wrapping (RFC 2634 1.1) has three, a gateway may add two."""

MAX_UNWRAPPED_BYTES = 128 * 1024 * 1024
"""What compressed data may grow to, over all layers of one message: zlib shrinks zeros by a thousand."""

MAX_UNWRAPPED_LARGE = 2 << 30
"""The same for messages that are read in pieces: it costs time, and disk where it is written to."""

LARGE = 32 << 20
"""Bytes of a message from which on it is read in pieces: several times so much would be in memory otherwise."""

MAX_SIGNERS = 32
"""SignerInfos looked at. Each costs a signature check and a path."""

MAX_RECIPIENTS = 5_000
"""RecipientInfos walked. A distribution list of a large company."""

MAX_CERTIFICATES = 256
"""Certificates taken out of one message to build paths from."""

MAX_ATTRIBUTES = 100
"""Attributes of one signer. A signer of our own has four."""

MAX_PATH_LENGTH = 10
"""Certificates between the signer and the anchor."""

MAX_PARTS = 1_000
"""MIME parts looked at for S/MIME inside a message that is not S/MIME itself."""

MAX_KEY_TRIALS = 32
"""Recipients that are one of our keys and are tried. Each costs a private key operation and a pass over the content."""

MAX_ISSUER_CHECKS = 200
"""Signatures checked while walking for a path: authorities that all sign each other make the walk exponential."""
