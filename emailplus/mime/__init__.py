"""MIME: reading messages (`view`)."""
