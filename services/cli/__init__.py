"""The `questmux` command."""
