"""Classification: read the marking, choose the marking, stamp the marking (docs/classification.md)."""
