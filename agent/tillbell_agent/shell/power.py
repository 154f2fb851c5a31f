"""Runs the installer's command that takes a modem's power away and gives it back; never waits for it.

The command is a list of words, run without a shell. It learns the pulses of the modem's power key, in milliseconds, from
``TILLBELL_POWER_OFF_MS`` and ``TILLBELL_POWER_ON_MS`` (0: not known), and its name from ``TILLBELL_MODEM``.
"""

import os
import subprocess
import time
from collections.abc import Sequence

from tillbell_agent.modem.profile import Profile

# A power key is held for seconds; what takes longer than this hangs.
LONGEST_S = 30.0


class PowerCommand:
    """One modem's command; one run at a time."""

    def __init__(self, modem: str, command: Sequence[str]) -> None:
        self._modem = modem
        self._command = list(command)
        self._running: subprocess.Popen[bytes] | None = None
        self._ends_by = 0.0

    def start(self, profile: Profile) -> str | None:
        """Begin; returns why it could not begin."""
        if self._running is not None and self._running.poll() is None:
            return f"{self._command[0]} still runs"
        pulses = {
            "TILLBELL_MODEM": self._modem,
            "TILLBELL_POWER_OFF_MS": str(profile.power_off_ms),
            "TILLBELL_POWER_ON_MS": str(profile.power_on_ms),
        }
        try:
            self._running = subprocess.Popen(
                self._command,
                env={**os.environ, **pulses},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            self._running = None
            return f"{self._command[0]}: {error.strerror}. Check power_command of this modem"
        self._ends_by = time.monotonic() + LONGEST_S
        return None

    def trouble(self) -> str | None:
        """Why it ended badly, told once; None while it runs, or where it ended well."""
        if self._running is None:
            return None
        code = self._running.poll()
        if code is None and time.monotonic() < self._ends_by:
            return None
        process, self._running = self._running, None
        if code is None:
            process.kill()
            process.wait()
            return f"{self._command[0]} took longer than {LONGEST_S:g} s and was ended"
        return f"{self._command[0]} ended with exit code {code}" if code else None
