"""What is said between the processes and to clients. Pure: nothing here does I/O."""
