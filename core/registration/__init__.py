"""What every atlas registration shares, whichever tool finds the transform.

:func:`~crossdl.registration.prepare.prepare` brings patient and template close together,
a segmenter's tool finds the displacement field, and
:func:`~crossdl.registration.finish.finish` carries the labels and measures how well it went.
"""
