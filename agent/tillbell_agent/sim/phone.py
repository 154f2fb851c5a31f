"""``python -m tillbell_agent.sim.phone``: a merchant's phone. Shows each text it gets, as JSON lines with ``ev: text``.

With a key and a bundle (a phone whose owner has paired) the six digits at the end are checked too.
"""

from tillbell_agent.sim.subscriber import arguments, follow, keys, tell
from tillbell_protocol.check import verify_text
from tillbell_protocol.sms.dcs import Alphabet
from tillbell_protocol.sms.reassembly import Assembled


def main() -> int:
    """Until standard input ends."""
    args = arguments(
        "A phone on the simulated network: shows texts and checks their codes.", keys_required=False
    )
    check_key = keys(args)[2].check_key if args.key and args.bundle else None

    def show(message: Assembled) -> None:
        text = message.text()
        ucs2 = message.parts[0].dcs.alphabet() is Alphabet.UCS2
        tell(
            "text",
            text=text,
            parts=len(message.parts),
            alphabet="UCS-2" if ucs2 else "GSM 7-bit",
            units=len(text.encode("utf-16-be")) // 2 if ucs2 else len(text),
            check=verify_text(check_key, text) if check_key else None,
        )

    follow(args, show)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
