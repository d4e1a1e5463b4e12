"""The full-screen live view: a pure state, what it looks like, a terminal, and the loop between them."""
