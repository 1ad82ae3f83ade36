"""Building a cohort from a hospital's DICOM files and its table of reports."""
