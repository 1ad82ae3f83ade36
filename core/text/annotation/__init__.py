"""Labelling by people: what is asked, forms that ask, answers on disk, agreement."""
