"""Built-in cohorts: one file per kind."""
