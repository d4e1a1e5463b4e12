"""Seeing that files change: whose files and what for is the business of others."""
