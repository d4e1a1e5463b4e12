"""The connection half: providers and callers meet here, and calls are carried between them."""
