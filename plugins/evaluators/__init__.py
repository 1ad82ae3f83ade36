"""Built-in evaluators: one file per kind."""
