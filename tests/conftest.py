"""What holds for every test."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell gives that to what it starts in the background, and every program under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
