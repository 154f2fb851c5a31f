"""What the light says: a number of blinks, a pause, again. The first of these that is true:"""

BAD_CONFIG, OVERRAN, FILLING, WAITING, WELL = 4, 3, 2, 1, 0
_BLINK_MS, _CYCLE_MS = 200, 2400


def code(config_word: str, overruns: int, fill: int, connected: bool) -> int:
    """``fill``: of what waits for the agent, in per cent of its room."""
    if config_word != "ok":
        return BAD_CONFIG
    if overruns:
        return OVERRAN
    if fill > 50:
        return FILLING
    return WELL if connected else WAITING


def is_on(blinks: int, now_us: int) -> bool:
    """A heartbeat of one short flash in the cycle where all is well."""
    at = now_us // 1000 % _CYCLE_MS
    if blinks == WELL:
        return at < _BLINK_MS // 4
    return at < blinks * 2 * _BLINK_MS and at // _BLINK_MS % 2 == 0
