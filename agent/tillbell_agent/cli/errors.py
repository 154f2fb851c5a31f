"""The one error that a verb raises to end with a message and an exit code."""

# What every verb's exit code means; stable, documented in the README.
OK, NOT_WELL, USAGE, UNREACHABLE, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 130


class CliError(Exception):
    """What went wrong, where, why, and the next step, in one line, and the code to exit with."""

    def __init__(self, message: str, exit_code: int = USAGE) -> None:
        super().__init__(message)
        self.exit_code = exit_code
