"""What is decided, and nothing that is done: pure values and functions without I/O, clock or await."""
