"""The one version of the daemon, the command line and the SDK: they are released together."""

VERSION = "0.1.0"
