"""What is wanted: the file is read, understood and checked here, and becomes a `House`."""
