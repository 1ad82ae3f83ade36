"""Reading and writing of scans: DICOM series and NIfTI files, with their geometry."""
