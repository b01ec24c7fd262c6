"""What can go wrong, in the words of the command line: what was expected, what was found, what to do."""

from __future__ import annotations


class Img2FeaturesError(Exception):
    """Base of all errors of this package."""


class OptionError(Img2FeaturesError):
    """An argument that cannot be used."""


class WorkerError(Img2FeaturesError):
    """The `img2features worker` process ended early, hung, or did not follow the protocol."""


class ReducerError(Img2FeaturesError):
    """Vectors or a reducer file that do not fit a scaler and PCA."""
