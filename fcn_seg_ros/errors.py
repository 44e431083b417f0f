"""Errors that the core raises for its callers to report; each message is one clear line."""


class FcnSegError(Exception):
    """Base of every error that is the input's or the set-up's fault, not a bug."""


class RegistryError(FcnSegError):
    """A network or class file is unknown, missing or malformed."""


class NoFolderError(RegistryError):
    """A folder is needed for what belongs to the user, and there is none."""


class WeightsError(FcnSegError):
    """Weights are missing, unreadable, or do not fit the network."""


class FetchError(FcnSegError):
    """A download failed or what arrived cannot be trusted."""


class ImageError(FcnSegError):
    """
    An image cannot be decoded.

    :param kind: a short stable word for counters: 'size', 'step', 'encoding', 'truncated',
        'compressed' or 'too_large'.
    :param message: what is wrong, in one line.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class DeviceError(FcnSegError):
    """The asked-for device, engine or precision is not available."""


class OptionError(FcnSegError):
    """An argument or option has a value that it cannot have."""


class CalibrationError(FcnSegError):
    """A camera calibration cannot be used."""


class DatasetError(FcnSegError):
    """A data set's files are missing, unreadable, or do not fit their class set."""


class TrainingError(FcnSegError):
    """A recipe, checkpoint or evaluation cannot be used as asked."""


class MediaError(FcnSegError):
    """A picture, video or bag cannot be read or written."""
