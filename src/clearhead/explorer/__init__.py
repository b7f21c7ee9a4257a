"""The explorer: a trace as the living page, in an application, a file or a notebook."""
