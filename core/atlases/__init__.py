"""Atlases of one's own: an average of registered scans, and regions drawn on it."""
