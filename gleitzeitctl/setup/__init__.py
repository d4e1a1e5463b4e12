"""Puts the daemon in place as a service of systemd, and takes it away again."""
