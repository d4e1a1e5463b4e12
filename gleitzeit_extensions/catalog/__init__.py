"""Which extensions there are and what they declare: read without running a line of theirs."""
