"""The watchdog is fed only when every part has done its work since it was fed last."""

FEED_EVERY_US = 1_000_000


class Health:
    """``names``: of the parts that must go on. ``feed`` keeps the board from resetting for some seconds."""

    def __init__(self, names: "tuple[str, ...]", feed) -> None:  # type: ignore[no-untyped-def]
        self.faults = 0
        self.last_fault = ""
        self._names, self._feed = names, feed
        self._progressed = set()  # type: set[str]
        self._feed_at = 0

    def run(self, name: str, act, now: int) -> None:  # type: ignore[no-untyped-def]
        """One part's turn; what it raises is counted, stops no other part, and keeps the watchdog hungry."""
        try:
            act(now)
        except Exception as error:  # noqa: BLE001 - whatever it is, the taps must go on
            self.faults += 1
            self.last_fault = name + ":" + type(error).__name__
            return
        self._progressed.add(name)

    def tick(self, now: int) -> None:
        if now >= self._feed_at and len(self._progressed) == len(self._names):
            self._progressed = set()
            self._feed_at = now + FEED_EVERY_US
            self._feed()
