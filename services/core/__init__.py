"""The core state service: the SQLite file, every decision, the update stream; the only writer of state."""
