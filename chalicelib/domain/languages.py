"""The languages that people are written to in, and which of them somebody prefers."""

import re

ENGLISH = "en"
LANGUAGES = (ENGLISH, "de")
"""All of them, the fallback first."""

_LONGEST_HEADER = 1_000
"""In characters. Browsers send some 50; what comes after this is not read."""
_MOST_RANGES = 50
# RFC 9110, section 12.5.4: a language range and how much it is liked, from 0 to 1.
_RANGE = re.compile(
    r"(\*|[a-z]{1,8}(?:-[a-z0-9]{1,8}){0,8})(?:[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)


def negotiate(accept_language: str) -> str:
    """Choose a language by an `Accept-Language` header, English if it asks for none of ours.

    `de-AT` is answered in German: a range stands for its language, whatever the region. A range
    that cannot be read is passed over, and nothing is refused. Of languages that are liked
    equally, the one named first is chosen.
    """
    liked: dict[str, float] = {}
    parts = accept_language[:_LONGEST_HEADER].lower().split(",", _MOST_RANGES)
    for part in parts[:_MOST_RANGES]:
        if match := _RANGE.fullmatch(part.strip(" \t")):
            language = match[1].partition("-")[0]
            quality = float(match[2] or 1)
            liked[language] = max(quality, liked.get(language, 0.0))
    others = liked.pop("*", None)
    wanted = {language: quality for language, quality in liked.items() if language in LANGUAGES}
    if others is not None:
        wanted |= {language: others for language in LANGUAGES if language not in wanted}
    best = max(wanted, key=lambda language: wanted[language], default=ENGLISH)
    return best if wanted.get(best) else ENGLISH
