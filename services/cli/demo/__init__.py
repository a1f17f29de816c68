"""`questmux demo`: scripted agents from recordings, in a tmux server, folders and ports of their own."""
