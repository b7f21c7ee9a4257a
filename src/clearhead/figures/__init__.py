"""Figures: a trace, a table or a curve drawn, in the terminal and in files."""
