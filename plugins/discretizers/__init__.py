"""Built-in discretizers: one file per kind."""
