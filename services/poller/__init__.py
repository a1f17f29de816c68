"""Sees tmux: reads one tmux server and tells core what is there."""
