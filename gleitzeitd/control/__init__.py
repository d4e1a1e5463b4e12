"""What people and programs steer the daemon by: HTTP on a Unix socket."""
