"""`questmux doctor`: whether all is in place, and the command that mends what is not."""
