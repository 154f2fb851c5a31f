"""The power goes at every flash operation of the journal, the configuration and an update, whole and half done.

``micropython power_cut_runner.py journal|config|update``: prints how many cuts were made; ends with a traceback at the first
after which something is not as it must be. Runs on littlefs as boards have it.
"""

import json
import os
import sys

from cryptolib import aes
from flash_model import Flash, formatted, mounted, unmount

from tillbell_bridge import config
from tillbell_bridge.journal import Journal
from tillbell_start import slots, small_file

ROOT = "/flash"
KEY = bytes(range(32))


def random_octets(count):
    return bytes([(7 * count + 13 * index) & 0xFF for index in range(count)])


def journal():
    return Journal(ROOT + "/journal", lambda iv: aes(KEY, 2, iv), random_octets, 96 * 1024)


def chunk(seq):
    return bytes([seq & 0xFF]) * (seq * 37 % 200 + 1)


class JournalWork:
    """Three starts: what the host does not take is written, some is forgotten, files go."""

    def __init__(self):
        self.written, self.forgotten, self.trying, self.log = 0, 0, 0, 1

    def prepare(self):
        self.run_start(1, 6)

    def run(self):
        self.run_start(2, 9)

    def run_start(self, log, batches):
        kept = journal()
        part = None
        for batch in range(batches):
            first = self.written + 1 if part is not None else 1
            count = 1 + batch * 5 % 7
            if part is None:
                self.written, self.forgotten, self.log = 0, 0, log
            self.trying = first + count - 1
            assert kept.append(log, log, first, [chunk(seq) for seq in range(first, first + count)])
            self.written = self.trying
            part = kept.present
            if batch % 3 == 2:
                self.forgotten = self.written - 3
                part.forget(self.forgotten)
                while kept.tidy():
                    pass

    def check(self):
        kept = journal()
        found = {}
        for part in kept.old:
            assert part.log not in found, "one part for each start"
            found[part.log] = part
            for seq in range(part.first, part.newest + 1):
                assert kept.read(part, seq) == chunk(seq), "what was heard"
        assert 1 in found, "an earlier start's"
        if self.log == 1:
            return
        if 2 not in found:
            assert self.written == 0 or self.forgotten == self.written, "nothing durable is lost"
            return
        part = found[2]
        assert part.newest in (self.written, self.trying), "an exact prefix"
        assert part.first <= self.forgotten + 1, "nothing that was not forgotten is gone"
        assert kept.append(3, 3, 1, [b"on"]), "it goes on"


def a_config(number):
    tap = {"baudrate": 9600, "bits": 8, "parity": "N", "stop": 1, "uart": 0, "rx": 1, "tx": 0, "rxbuf": 4096}
    hardware = {"led": 25, "strap": None, "flash_stalls": True, "link": "usb", "link_baudrate": 115200}
    found = {
        "schema": 1, "name": f"till-{number}", "board": "pico", "link_key": "00" * 32, "taps": [tap, None],
        "hardware": hardware,
    }  # fmt: skip
    return json.dumps(found).encode()


class ConfigWork:
    def __init__(self):
        self.saved = 1

    def prepare(self):
        config.save(ROOT, a_config(1))

    def run(self):
        for number in range(2, 8):
            config.save(ROOT, a_config(number))
            self.saved = number

    def check(self):
        found, _ = config.load(ROOT)
        assert found is not None, "there is one"
        assert found.name in (f"till-{self.saved}", f"till-{self.saved + 1}"), "the old or the new one"


class UpdateWork:
    """An installer writes the other slot, then the pointer; the board starts, tries, gives up or is confirmed."""

    def __init__(self):
        self.good, self.other = "a", "b"

    def prepare(self):
        self.write_slot("a", 1)
        slots.write(ROOT, slots.Pointer("a"))

    def write_slot(self, slot, version):
        folder = ROOT + "/" + slot
        for path in (folder, folder + "/tillbell_bridge"):
            try:
                os.mkdir(path)
            except OSError:
                pass
        try:
            os.remove(folder + "/manifest.json")
        except OSError as error:
            if error.errno != 2:
                raise
        files = {}
        for number in range(4):
            name = f"tillbell_bridge/part{number}.mpy"
            with open(folder + "/" + name, "wb") as file:
                file.write(bytes([version, number]) * (400 + 700 * number))
            files[name] = slots.digest(folder + "/" + name)
        manifest = {"version": str(version), "git": "0", "files": files}
        with open(folder + "/manifest.json.new", "wb") as file:
            file.write(json.dumps(manifest).encode())
        os.rename(folder + "/manifest.json.new", folder + "/manifest.json")

    def run(self):
        for version, end in ((2, "confirmed"), (3, "given up"), (4, "confirmed")):
            self.write_slot(self.other, version)
            slots.write(ROOT, slots.Pointer(self.other, "trial", slots.TRIES, self.good))
            for _ in range(1 if end == "confirmed" else slots.TRIES + 1):
                chosen = slots.choose(ROOT)
            if end == "confirmed":
                slots.confirm(ROOT)
                self.good, self.other = self.other, self.good
            assert chosen == self.good, end

    def check(self):
        chosen = slots.choose(ROOT)
        assert chosen is not None, "it always starts"
        assert slots.is_whole(ROOT, chosen), "with a slot that is whole"
        for _ in range(
            slots.TRIES + 1
        ):  # a trial that nobody confirms ends with the slot that was good before
            last = slots.choose(ROOT)
        assert slots.is_whole(ROOT, last)


class CarelessConfig(ConfigWork):
    """The old one goes before the new one is there."""

    def run(self):
        for number in range(2, 8):
            os.remove(ROOT + "/config")
            small_file.write(ROOT + "/config", a_config(number))
            self.saved = number


class CarelessUpdate(UpdateWork):
    """The pointer first, and as if it were good."""

    def run(self):
        slots.write(ROOT, slots.Pointer("b"))
        self.write_slot("a", 2)
        self.write_slot("b", 3)


class CarelessJournal(JournalWork):
    """Forgets what nobody has."""

    def run(self):
        self.run_start(2, 6)
        kept = journal()
        kept.old[-1].forget(self.written - 1)
        kept.tidy()
        kept.append(4, 4, 1, [b"more"])


WORK = {
    "journal": JournalWork, "config": ConfigWork, "update": UpdateWork, "careless-journal": CarelessJournal,
    "careless-config": CarelessConfig, "careless-update": CarelessUpdate,
}  # fmt: skip


def sweep(make, torn):
    flash = formatted()
    mounted(flash)
    work = make()
    work.prepare()
    unmount()
    image, cut = bytes(flash.octets), 1
    while True:
        flash = Flash(octets=bytearray(image))
        flash.cut_at, flash.torn = cut, torn
        work = make()
        done = run_until_cut(flash, work)
        again = Flash(octets=flash.octets)
        mounted(again)
        work.check()
        unmount()
        if done:
            return cut
        cut += 1


def run_until_cut(flash, work):
    try:
        mounted(flash)
        work.run()
        done = not flash.is_dead
    except (OSError, AssertionError):
        assert flash.is_dead, "only the power makes it fail"
        done = False
    try:
        unmount()
    except OSError:
        pass
    return done


if __name__ == "__main__":
    for torn in (False, True):
        print(sys.argv[1], "half done" if torn else "whole", sweep(WORK[sys.argv[1]], torn), "cuts")
    assert small_file.read(ROOT + "/none") is None
