"""Built-in atlases: one file per kind."""
