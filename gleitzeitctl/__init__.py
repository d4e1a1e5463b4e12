"""The command line: looks at a daemon and steers it through its control socket."""
