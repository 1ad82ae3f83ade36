"""Built-in components: one file per kind, found by file name."""
