"""HTML as plain text for whoever needs no more (`html_text`)."""

from __future__ import annotations

from .html_text import linear as html_to_text

__all__ = ["html_to_text"]
