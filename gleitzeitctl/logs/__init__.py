"""What providers printed: the files are the past, and the daemon has what comes."""
