"""Settings: from flags, the environment, the user's file and the inbox's, with their origins."""

from pipeline.settings.settings import (
    BUNDLED_MODEL,
    INBOX_FILE,
    Settings,
    SettingsError,
    gather,
)

__all__ = ["BUNDLED_MODEL", "INBOX_FILE", "Settings", "SettingsError", "gather"]
