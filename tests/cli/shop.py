"""Tasks of the tests of the command line."""

from __future__ import annotations

import logging
import os

from hypern import background

logger = logging.getLogger("tests.cli.shop")

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \N{RIGHT-TO-LEFT OVERRIDE}evil\x9b2J"


@background()
def greet(name: str, password: str = "") -> str:
    return f"hello {name}"


@background(retries=1, backoff=0.0)
def fail(name: str, token: str = "") -> None:
    if "SHOP_IS_MENDED" in os.environ:
        return
    logger.warning("about to fail: %s", HOSTILE)
    raise ValueError(f"bad {name} {HOSTILE}")


@background(queue="mail")
def send(to: str) -> None: ...
