"""How one asks, from outside, whether an instance is ready and of use."""
