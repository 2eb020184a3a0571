"""The page a site puts before its feed to let only browsers through, for the embedded server.

The page carries a challenge that the server signed and dated. Its script looks for a number that
makes the hash of challenge and number small, puts both into a cookie and loads the address again.
No link or form leads on: only who runs the script (or does its work) gets the feed.
"""

import hmac
import re
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie

from soccer_assets.simulator.http import Reply

COOKIE = "feed_proof"
#: Leading zero bits asked of the hash: some 4,000 tries, milliseconds in a browser.
DIFFICULTY = 12

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Checking your browser</title></head>
<body>
<h1>Checking your browser</h1>
<noscript>This site needs JavaScript.</noscript>
<script>
// Web Crypto is absent on plain http:, so the hash (FNV-1a, 32 bits) is spelled out.
function fnv1a(text) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
const challenge = "%(challenge)s";
let number = 0;
while (fnv1a(challenge + "." + number) >>> (32 - %(difficulty)d) !== 0) number++;
document.cookie =
  "%(cookie)s=" + challenge + "." + number + "; path=/; max-age=%(seconds)d; SameSite=Lax";
location.reload();
</script>
</body>
</html>
"""


class BrowserChallenge:
    """Hands out challenges and recognises the proof that one was met.

    Args:
        seconds: how long a challenge, and so the proof made from it, is good for.
        now: seconds since 1970.
    """

    def __init__(self, seconds: int = 60, now: Callable[[], float] = time.time) -> None:
        self._seconds = seconds
        self._now = now
        self._secret = secrets.token_bytes(32)

    def page(self) -> Reply:
        """A fresh challenge: status 403, as such sites answer, and HTML."""
        signed = f"{int(self._now()) + self._seconds}.{secrets.token_hex(8)}"
        challenge = f"{signed}.{self._signature(signed)}"
        page = _PAGE % {
            "challenge": challenge,
            "difficulty": DIFFICULTY,
            "cookie": COOKIE,
            "seconds": self._seconds,
        }
        return Reply(HTTPStatus.FORBIDDEN, page.encode(), "text/html; charset=utf-8")

    def is_met(self, cookies: str | None) -> bool:
        """Whether a ``Cookie`` header holds a proof that is ours, right and not out of date."""
        try:
            morsel = SimpleCookie(cookies or "").get(COOKIE)
        except CookieError:
            return False
        proof = morsel.value if morsel else ""
        parts = re.fullmatch(r"((\d{1,12})\.[0-9a-f]{16})\.([0-9a-f]{64})\.\d{1,12}", proof, re.A)
        if not parts:
            return False
        signed, expires, signature = parts.groups()
        return (
            hmac.compare_digest(signature, self._signature(signed))
            and self._now() < int(expires)
            and fnv1a(proof) >> (32 - DIFFICULTY) == 0
        )

    def _signature(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), "sha256").hexdigest()


def fnv1a(text: str) -> int:
    """32-bit FNV-1a of an ASCII text (Fowler, Noll, Vo; draft-eastlake-fnv)."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value
