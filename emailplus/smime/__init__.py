"""S/MIME (RFC 8551, 8550, 5652, 5083): pure functions over bytes, and a keychain.

`message.open_message` takes every layer off a mail and says in a `report.SecurityReport` exactly what is true of it.
`sign`, `encrypt` make protected mail; `keychain` keeps certificates with their keys; `trust` judges them.
"""
