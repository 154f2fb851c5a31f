"""The message commands of a simulated modem (TS 27.005): storages, reading, listing, deleting, and where sending begins.

Each takes the modem's state, the form (``""``, ``?``, ``=?``, ``=``) and the values, and gives a reply.
"""

from tillbell_agent.sim.modem_state import ERROR, Reply, State
from tillbell_agent.sim.modem_store import Stored
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.sms.tpdu import SmsDeliver, at_pdu, decode_tpdu

# AT+CMGS announces the octets of a TPDU: an SMS-SUBMIT has no fewer and no more.
LEAST_TPDU, LONGEST_TPDU = 7, 175


def service(modem: State, form: str, values: str) -> Reply:
    if form == "=?":
        return Reply(("+CSMS: (0,1)",))
    if form == "?":
        return Reply((f"+CSMS: {modem.service},1,1,1",))
    if values not in ("0", "1"):
        return modem.cms(302)
    modem.service = int(values)
    return Reply(("+CSMS: 1,1,1",))


def acknowledge(modem: State, form: str, _values: str) -> Reply:
    if form == "=?":
        return Reply(("+CNMA: (0-2)",))
    if modem.unacknowledged == 0:
        return modem.cms(340)
    modem.unacknowledged -= 1
    modem.acknowledged += 1
    return Reply()


def storages(modem: State, form: str, values: str) -> Reply:
    held = modem.storages
    if form == "=?":
        names = ",".join(f'"{name}"' for name in held.stores)
        return Reply((f"+CPMS: ({names}),({names}),({names})",))
    if form == "?":
        rows = [f'"{name}",{held.stores[name].used},{held.stores[name].places}' for name in held.chosen]
        return Reply(("+CPMS: " + ",".join(rows),))
    if not held.choose([name.strip('"') for name in values.split(",")]):
        return modem.cms(302)
    used = [f"{held.stores[name].used},{held.stores[name].places}" for name in held.chosen]
    return Reply(("+CPMS: " + ",".join(used),))


def send(modem: State, form: str, values: str) -> Reply:
    if form == "=?":
        return Reply()
    refused = modem.sim.cms()
    if refused is not None:
        return modem.cms(refused)
    if not modem.text_mode and not (values.isdecimal() and LEAST_TPDU <= int(values) <= LONGEST_TPDU):
        return modem.cms(304)
    return Reply(prompt=values) if values else modem.cms(304)


def read(modem: State, form: str, values: str) -> Reply:
    if form == "=?":
        return Reply()
    store = modem.storages.reading
    if not values.isdecimal() or int(values) > store.places:
        return modem.cms(321)
    row = store.read(int(values))
    # An empty place is answered with OK alone, as most modems do.
    return Reply() if row is None else Reply(_shown(modem, "+CMGR: ", row))


def list_all(modem: State, form: str, values: str) -> Reply:
    if form == "=?":
        return Reply(("+CMGL: (0-4)",))
    names = {'"REC UNREAD"': 0, '"REC READ"': 1, '"ALL"': 4}
    stat = names.get(values, int(values) if values.isdecimal() else 0)
    rows = modem.storages.reading.listed(stat)
    return Reply(tuple(line for index, row in rows for line in _shown(modem, f"+CMGL: {index},", row)))


def delete(modem: State, form: str, values: str) -> Reply:
    store = modem.storages.reading
    if form == "=?":
        return Reply((f"+CMGD: (1-{store.places}),(0-4)",))
    index, _, flag = values.partition(",")
    if not index.isdecimal() or int(index) > store.places or flag not in ("", "0", "1", "2", "3", "4"):
        return modem.cms(321)
    if flag not in ("", "0"):
        store.delete_all(int(flag))
    else:
        store.delete(int(index))
    return Reply()


def service_centre(modem: State, form: str, values: str) -> Reply:
    if form == "=":
        modem.sim.service_centre = values.split(",", maxsplit=1)[0].strip('"')
        return Reply()
    return Reply((f'+CSCA: "{modem.text(modem.sim.service_centre)}",145',)) if form == "?" else ERROR


def _shown(modem: State, head: str, row: Stored) -> tuple[str, str]:
    if modem.text_mode:
        return _shown_as_text(modem, head, row)
    pdu, octets = at_pdu(row.tpdu)
    return f"{head}{row.stat},,{octets}", pdu


def _shown_as_text(modem: State, head: str, row: Stored) -> tuple[str, str]:
    words = ("REC UNREAD", "REC READ")[row.stat]
    try:
        tpdu = decode_tpdu(row.tpdu, "from_sc")
        sender = tpdu.oa.text() if isinstance(tpdu, SmsDeliver) else ""
        text = tpdu.text()
    except ProtocolError:
        sender, text = "", row.tpdu.hex().upper()
    return f'{head}"{words}","{modem.text(sender)}",,"26/01/01,00:00:00+00"', modem.text(text)
