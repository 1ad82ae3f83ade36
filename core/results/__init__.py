"""Results as files for people and programs: pages, tables, pictures."""
