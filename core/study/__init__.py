"""Studies: the cells of a table in the registry, run and compared."""
