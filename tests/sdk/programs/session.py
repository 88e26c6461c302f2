"""What every program shares: what it was given, a client as a user makes it, and where its answer goes."""

import json
import logging
import sys

from labelbox import Client

logging.getLogger("labelbox").setLevel(logging.ERROR)

given = json.load(sys.stdin)
url = given["url"]


def connect(key=given["key"]):
    """The official client, pointed at the server by nothing but its endpoints."""
    return Client(
        api_key=key,
        endpoint=f"{url}/graphql",
        rest_endpoint=f"{url}/api/v1",
        app_url=url,
        enable_experimental=True,
    )


client = connect()


def answer(**found):
    """Hand over what was found."""
    with open(given["answer"], "w") as file:
        json.dump(found, file, default=str)


def raised(call, *arguments, **named):
    """The class and the words of the error that a call raises; None where it raises none."""
    try:
        call(*arguments, **named)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return None
