"""A watched pass as operations on arrays that a page can run again, in Python and in JavaScript."""
