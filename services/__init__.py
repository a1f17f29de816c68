"""Questmux: one folder a process, and what the processes share."""
