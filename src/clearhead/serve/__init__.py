"""Serve: the explorer over HTTP, for this machine alone."""
