"""Packets in and out: Socket.IO as `gz/1` has it, without the detours of the libraries."""
