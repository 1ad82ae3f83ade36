"""Cross-DL: learning voxel maps of abnormalities in head CT from free-text reports.

A plugin framework around Liu et al., Cell Reports Medicine 2023
(doi 10.1016/j.xcrm.2023.101164). Start with :mod:`crossdl.interfaces`.
"""

__version__ = "0.1.0"
