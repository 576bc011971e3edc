"""The raw headers of a request: every value of a repeated one, and nothing put together."""

from collections.abc import Iterable


class Said:
    """What a request says of itself; a name gives a list of values."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._headers = [(name.lower(), value) for name, value in headers]

    def __getitem__(self, name: str) -> list[str]:
        wanted = name.encode("ascii")
        return [value.decode("latin-1") for known, value in self._headers if known == wanted]
