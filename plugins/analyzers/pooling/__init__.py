"""Built-in pooling: one file per kind."""
