"""What is looked up of a data row's head, a stored section."""

from __future__ import annotations

import json
import re

_EXTERNAL_ID = re.compile(r'"external_id":("(?:[^"\\]|\\.)*")')


def external_id(head: str) -> str | None:
    r"""The external id in a head; None where it has none.

    >>> external_id('"id":"r1","external_id":"na\\u00efve \\"1\\".jpg"')
    'naïve "1".jpg'
    """
    found = _EXTERNAL_ID.search(head)
    return None if found is None else str(json.loads(found[1]))
