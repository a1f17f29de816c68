"""How a process starts, logs and stops: settings, tokens, folders, signals."""
