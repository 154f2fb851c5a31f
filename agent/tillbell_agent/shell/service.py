"""What the service manager sees: sd_notify's datagram, the single-instance lock, the owner of the state directory."""

import fcntl
import os
import pwd
import socket
from pathlib import Path

from tillbell_agent.database import StoreError


def notify(state: str) -> None:
    """Send ``READY=1`` and the like to ``NOTIFY_SOCKET``; silent where there is none (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagram:
        try:
            datagram.sendto(state.encode(), address)
        except OSError:
            return  # a manager that does not listen is no reason to stop


def prepare_state(state_dir: Path) -> None:
    """Make the state directory (0700) where it is missing. Raises StoreError with the next step."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StoreError(
            f"state_dir {state_dir} cannot be made: a file is in the way. Remove it, or change state_dir"
        ) from error
    except OSError as error:
        raise StoreError(
            f"state_dir {state_dir} cannot be made: {error.strerror}. Make it and give it to the user that runs tillbell"
        ) from error
    if not os.access(state_dir, os.W_OK | os.X_OK):
        raise StoreError(
            f"state_dir {state_dir} is not writable for user {_user_name(os.geteuid())}. chown it to that user; "
            "if that is done, its file system is read-only: look at the disk (dmesg)"
        )


def become_owner(state_dir: Path) -> None:
    """Run as root, take on the owner of ``state_dir``, so that no root-owned file is left in a service's state."""
    if os.geteuid() != 0 or not state_dir.exists():
        return
    status = state_dir.stat()
    if status.st_uid == 0:
        return
    try:
        os.initgroups(pwd.getpwuid(status.st_uid).pw_name, status.st_gid)
    except KeyError:  # an owner without an account: it has no further groups either
        os.setgroups([status.st_gid])
    os.setresgid(status.st_gid, status.st_gid, status.st_gid)
    os.setresuid(status.st_uid, status.st_uid, status.st_uid)


def lock_state(state_dir: Path) -> int:
    """Hold the state directory for this agent alone until the process ends; returns the descriptor.

    Raises StoreError where another agent runs on it.
    """
    path = state_dir / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"cannot open {path}: {error.strerror}. Check the disk (df) and the owner of {state_dir}"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreError(
            f"another tillbell runs on {state_dir}: stop it first (see tillbell status)"
        ) from error
    return descriptor


def _user_name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
