"""What a kill run of the sending puts: sales and notices, and whose the words are that come out at the other end."""

import random
from dataclasses import dataclass, field

from shop import slip

from tillbell_agent.sim.demo_check import REPEAT_MARK, read_text
from tillbell_protocol.sms.segment import split_text


@dataclass(slots=True)
class Backlog:
    """What was put so far: amounts of sales by number from 1, and notices' words."""

    chance: random.Random
    amounts: list[int] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    _parts: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def sale(self) -> bytes:
        """The next sale as it is printed."""
        self.amounts.append(self.chance.randrange(100, 1_000_000))
        amount = self.amounts[-1]
        return slip(f"{amount // 100}.{amount % 100:02d}", f"{len(self.amounts):06d}")

    def notice(self) -> str:
        """The next notice: two segments, with the mark as well, and its number in both."""
        number = f"{len(self.notices) + 1:04d}"
        words = f"通知{number}。" + "本店明日休息,后天照常营业,敬请留意。" * 4 + f"以上第{number}号"
        self.notices.append(words)
        for marked in (False, True):
            whole = REPEAT_MARK * marked + words
            parts = [part.text() for part in split_text(whole, 0)]
            assert len(parts) == 2
            self._parts |= dict.fromkeys((whole, *parts), (f"notice {number}", marked))
        return words

    @property
    def names(self) -> list[str]:
        sales = [f"number {number}" for number in range(1, len(self.amounts) + 1)]
        return sales + [f"notice {number:04d}" for number in range(1, len(self.notices) + 1)]

    def name_of(self, words: str) -> tuple[str, bool] | None:
        """Whose these words are, and whether they are of a marked copy; None: not as they were put."""
        if words in self._parts:
            return self._parts[words]
        read = read_text(words)
        if read.seq is None or not 1 <= read.seq <= len(self.amounts):
            return None
        as_put = read.amount_minor == self.amounts[read.seq - 1]
        return (f"number {read.seq}", read.repeated) if as_put else None
