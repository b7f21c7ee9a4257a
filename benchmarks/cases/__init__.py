"""The cases: NAME is the function NAME of the module NAME."""
