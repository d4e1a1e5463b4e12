"""What a life starts is found, ended and written down, whatever it does to get away."""
