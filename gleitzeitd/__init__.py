"""The daemon: it keeps providers alive and carries calls to them."""
