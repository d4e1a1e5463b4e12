"""What instances print: cut into lines, kept in memory and in files, handed to followers."""
