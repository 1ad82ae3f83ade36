"""Built-in analyzers: one file per kind."""
