"""The process half: children are spawned, watched, read, ended and cleared away here."""
