"""``python -m tillbell_agent.sim.headquarters``: opens and verifies what arrives, on the public library alone.

Binary messages to the application port, or armored ones as text. JSON lines: ``opened``, ``duplicate``, ``refused``,
and at the end ``closed`` with the counters that are missing.
"""

from tillbell_agent.sim.subscriber import arguments, follow, keys, tell
from tillbell_protocol.armor import find_blocks
from tillbell_protocol.payload_json import to_json
from tillbell_protocol.receiver import Receiver
from tillbell_protocol.refusal import DuplicateError, Refusal
from tillbell_protocol.seal import PORT
from tillbell_protocol.sms.reassembly import Assembled


def sealed_messages(message: Assembled) -> tuple[list[bytes], int]:
    """The sealed octets in an SMS, and the letters of armor around them (0: none, it came as binary data)."""
    if not message.is_data():
        text = message.text()
        return find_blocks(text), len(text)
    ports = message.ports()
    return ([message.data()] if ports is not None and ports.destination == PORT else []), 0


def receive(receiver: Receiver, message: Assembled) -> None:
    """Open what an SMS holds and tell what came of it. One that holds nothing sealed is refused, and told too."""
    blocks, letters = sealed_messages(message)
    if not blocks:
        tell("refused", layer="sms", why="an SMS that holds no sealed message")
    for octets in blocks:
        try:
            opened = receiver.open(octets)
        except DuplicateError as error:
            tell("duplicate", counter=error.counter, octets=len(octets))
        except Refusal as error:
            tell("refused", layer=error.layer, why=str(error))
        else:
            tell(
                "opened",
                counter=opened.counter,
                device=opened.device,
                octets=len(octets),
                letters=letters,
                parts=len(message.parts),
                event=to_json(opened.told, opened.defaults),
            )


def main() -> int:
    """Until standard input ends."""
    args = arguments("A recipient of sealed messages on the simulated network.", keys_required=True)
    secret, bundle, _ = keys(args)
    receiver = Receiver(secret)
    pairing = receiver.import_bundle(bundle)
    follow(args, lambda message: receive(receiver, message))
    tell("closed", gaps=receiver.gaps(pairing.keys.binding), duplicates=pairing.duplicates)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
