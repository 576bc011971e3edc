"""Whether a process is there; what dead ones left behind may be swept."""

import os


def alive(pid: int) -> bool:
    """Whether there is a process of this id, also somebody else's; a zombie counts. An id that no
    process can have, as a file's name may say, is nobody's."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
