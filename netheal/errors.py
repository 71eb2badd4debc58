"""The errors netheal raises: one root, and under it one class for each thing a caller can do about it."""


class NethealError(Exception):
    """Root of every error raised on purpose; its message says what happened and what to do."""


def reason_of(error: BaseException) -> str:
    """What an error says in one line: the message of one of ours, else its kind, too.

    >>> reason_of(NethealError("the disk is full")), reason_of(ValueError("no")), reason_of(KeyError())
    ('the disk is full', 'ValueError: no', 'KeyError')
    """
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, NethealError) and line:
        return line
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


class SettingsError(NethealError):
    """A setting is wrong or something the machine needs is missing: correct it and start again."""


class ContractError(NethealError):
    """Features, classes or a policy do not agree with the shipped contracts: the caller's data is wrong."""


class BundleError(NethealError):
    """A model bundle was refused: mend the bundle, nothing was stored."""


class ModelFailure(NethealError):
    """A served model failed on checked rows: deactivate it, the rows are as they were."""

    def __init__(self, message: str, bundle_hash: str) -> None:
        super().__init__(message, bundle_hash)
        self.message = message
        self.bundle_hash = bundle_hash

    def __str__(self) -> str:
        """The message alone."""
        return self.message


class ServiceUnavailable(NethealError):
    """Kafka, Postgres or the object store did not answer: retry later, nothing was half done."""


class StreamRefused(NethealError):
    """Going on would lose or repeat rows: stop, and let a person decide as the message says."""


class NotFound(NethealError):
    """What was asked for does not exist: look at the list of what does."""


class QueryTooBroad(NethealError):
    """Answering would take too long: ask for less, in the way that the message says."""


class Conflict(NethealError):
    """The thing is not in a state in which this can be done: do first what the message says."""


class NotAllowed(NethealError):
    """The caller may not do this: use a token whose role allows it."""
