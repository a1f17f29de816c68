"""`questmux service`: Questmux started with the person's session, by systemd or launchd."""
