"""Insight: what a trace means."""
