"""Measurements against running processes, printed beside the goals of the design."""
