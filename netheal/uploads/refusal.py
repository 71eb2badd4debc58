"""Why a flow file as a whole is not taken."""

from typing import Any, Literal

from netheal.errors import NethealError

Code = Literal[
    "empty_file",
    "not_csv",
    "too_large",
    "too_many_rows",
    "no_contract",
    "no_active_model",
]


class FileRefused(NethealError):
    """The file cannot be scored as it is: mend it as the message says. Nothing of it was stored."""

    def __init__(self, code: Code, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code: Code = code
        self.details = details or {}
