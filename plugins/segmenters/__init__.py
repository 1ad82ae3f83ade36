"""Built-in segmenters: one file per kind."""
