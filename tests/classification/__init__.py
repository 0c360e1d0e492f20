"""Tests of the classification room."""
