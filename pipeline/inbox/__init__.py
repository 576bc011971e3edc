"""The inbox: YAML text to manifests with line and column; watching, scanning, settling.

Knows nothing of the journal, the runner or the page.
"""
