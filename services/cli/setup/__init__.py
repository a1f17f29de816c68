"""`questmux setup` and `unsetup`: our hooks into Claude Code's settings, and out again."""
