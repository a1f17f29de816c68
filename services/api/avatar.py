"""`GET /api/avatars/{seed}.svg`: a small creature, drawn here from the seed alone.

A drawing has shapes with plain attributes only: no script, no style, no link, nothing of the seed's text.
"""

import hashlib
from typing import Final

from falcon.asgi import Request, Response

from services.api.query import ID
from services.contract.errors import ErrorCode, QuestmuxError

SVG: Final = "image/svg+xml"
MAX_AGE_S: Final = 30 * 24 * 3600
CACHED: Final = f"private, max-age={MAX_AGE_S}"
POLICY: Final = "default-src 'none'; sandbox"
"""For who opens the picture as a page of its own."""

_HUES: Final = 360
_CONTRASTS: Final = (120, 150, 180, 210, 240)
"""From the background's hue to the creature's."""


class AvatarResource:
    """One picture. It needs no core; a browser may keep it, for a seed's picture stays."""

    async def on_get(self, _req: Request, resp: Response, seed: str) -> None:
        """The picture of a seed.

        Raises:
            QuestmuxError: the seed is no id.
        """
        if ID.fullmatch(seed) is None:
            raise QuestmuxError(ErrorCode.INVALID_FIELD, "seed is wrong: it takes 1 to 128 letters, digits, _ . : -")
        resp.content_type = SVG
        resp.set_header("Cache-Control", CACHED)
        resp.set_header("Content-Security-Policy", POLICY)
        resp.data = draw(seed).encode()

    on_head = on_get


def draw(seed: str) -> str:
    """The SVG of a seed, 100 units wide: the same for the same seed, for ever."""
    digest = hashlib.blake2b(seed.encode(errors="surrogatepass"), digest_size=16).digest()
    hue = int.from_bytes(digest[:2]) * _HUES >> 16
    skin_hue = (hue + _CONTRASTS[digest[2] % len(_CONTRASTS)]) % _HUES
    back, pattern = f"hsl({hue},45%,{24 + digest[3] % 12}%)", f"hsl({hue},50%,{42 + digest[4] % 12}%)"
    skin, shade = f"hsl({skin_hue},62%,{58 + digest[5] % 14}%)", f"hsl({skin_hue},55%,42%)"
    parts = (
        f'<rect width="100" height="100" fill="{back}"/>',
        f'<g fill="{pattern}" stroke="{pattern}" stroke-width="0">{_one_of(_PATTERNS, digest[6])}</g>',
        f'<g fill="{shade}" stroke="{shade}" stroke-width="4" stroke-linecap="round">{_one_of(_EARS, digest[7])}</g>',
        f'<g fill="{skin}">{_one_of(_HEADS, digest[8])}</g>',
        f'<g fill="{shade}">{_one_of(_MARKS, digest[9])}</g>',
        f'<g fill="#fff" stroke="#1b1b26" stroke-width="2">{_one_of(_EYES, digest[10])}</g>',
        f'<g fill="none" stroke="#1b1b26" stroke-width="3" stroke-linecap="round">{_one_of(_MOUTHS, digest[11])}</g>',
    )
    shapes = "".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="100" height="100">{shapes}</svg>'


def _one_of(shapes: tuple[str, ...], number: int) -> str:
    return shapes[number % len(shapes)]


def _both(left: str) -> str:
    """A shape of the left half, and its mirror image."""
    return f'{left}<g transform="matrix(-1 0 0 1 100 0)">{left}</g>'


def _dots(step: int, radius: int) -> str:
    places = range(step // 2, 100, step)
    return "".join(f'<circle cx="{x}" cy="{y}" r="{radius}"/>' for x in places for y in places)


_PATTERNS: Final = (
    "",
    _dots(20, 3),
    _dots(25, 5),
    "".join(f'<path d="M0 {y}h100v6h-100z"/>' for y in range(4, 100, 16)),
    "".join(f'<path d="M{x} 0h6v100h-6z"/>' for x in range(4, 100, 16)),
    "".join(f'<path d="M{x} 0h10l-60 100h-10z"/>' for x in range(0, 170, 24)),
    '<circle cx="50" cy="54" r="46"/>',
    '<path d="M0 64q25 -16 50 0t50 0v36h-100z"/>',
    '<path d="M50 2l14 30 34 6 -24 26 4 34 -28 -16 -28 16 4 -34 -24 -26 34 -6z"/>',
)
_EARS: Final = (
    _both('<path d="M26 44l-6 -28 24 14z"/>'),
    _both('<circle cx="27" cy="29" r="10"/>'),
    _both('<path d="M32 40q-8 -30 2 -34 10 2 8 30z"/>'),
    _both('<path d="M36 34q-6 -14 -16 -14" fill="none"/><circle cx="20" cy="20" r="3"/>'),
    '<path d="M50 34v-18"/><circle cx="50" cy="13" r="5"/>',
    '<path d="M40 32l10 -24 10 24z"/>',
    '<path d="M34 34l2 -16 7 8 7 -13 7 13 7 -8 2 16z"/>',
    _both('<path d="M24 60q-14 -4 -12 -20 4 8 14 6z"/>'),
)
_HEADS: Final = (
    '<circle cx="50" cy="56" r="30"/>',
    '<rect x="22" y="30" width="56" height="52" rx="16"/>',
    '<rect x="24" y="32" width="52" height="50" rx="6"/>',
    '<path d="M50 26q32 0 32 30 0 30 -32 30t-32 -30q0 -30 32 -30z"/>',
    '<path d="M22 36q28 -12 56 0 2 34 -28 52 -30 -18 -28 -52z"/>',
    '<path d="M36 28h28l18 28 -18 28h-28l-18 -28z"/>',
    '<path d="M22 84v-30q0 -26 28 -26t28 26v30l-9 -7 -9 7 -10 -7 -10 7 -9 -7z"/>',
)
_MARKS: Final = (
    "",
    _both('<ellipse cx="32" cy="66" rx="5" ry="3"/>'),
    '<path d="M46 30h8l-4 12z"/>',
    _both('<circle cx="33" cy="64" r="2"/><circle cx="39" cy="68" r="2"/>'),
    '<path d="M47 61h6l-3 5z"/>',
    _both('<path d="M25 46l12 3v3l-12 -2z"/>'),
)
_EYES: Final = (
    _both('<circle cx="39" cy="53" r="7"/><circle cx="40" cy="53" r="2"/>'),
    _both('<circle cx="39" cy="54" r="3" fill="#1b1b26"/>'),
    _both('<path d="M32 55q7 -9 14 0" fill="none"/>'),
    _both('<rect x="33" y="48" width="12" height="10" rx="3"/><circle cx="40" cy="53" r="2"/>'),
    _both('<path d="M31 54q8 -10 16 0 -8 8 -16 0z"/><circle cx="39" cy="54" r="2"/>'),
    '<circle cx="50" cy="52" r="11"/><circle cx="50" cy="52" r="4" fill="#1b1b26"/>',
    '<rect x="30" y="46" width="40" height="13" rx="6"/><circle cx="41" cy="52" r="2"/><circle cx="59" cy="52" r="2"/>',
)
_MOUTHS: Final = (
    '<path d="M41 70q9 8 18 0"/>',
    '<path d="M43 72h14"/>',
    '<path d="M42 69q8 12 16 0z" fill="#fff"/>',
    '<path d="M40 71q5 4 10 0t10 0"/>',
    '<path d="M46 71q4 4 8 0"/>',
    '<circle cx="50" cy="72" r="3"/>',
)
