"""Conversations: read from files, and put into rows for training."""
