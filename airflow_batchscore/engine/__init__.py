"""Engines: where blocks are computed. To add one: docs/adding/engine.md."""
