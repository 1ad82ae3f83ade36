"""Statistics of evaluations: intervals from resampled patients, comparisons, corrections."""
