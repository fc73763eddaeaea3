"""What can go wrong. Every exception is one line for a person, with the numbers of it as attributes."""

from __future__ import annotations

from typing import Optional


class Error(Exception):
    """Anything this package raises on purpose."""


class PrivilegeError(Error):
    """The caller may not do this: needs root, or CAP_BPF and CAP_PERFMON."""


class UnsupportedError(Error):
    """The kernel or its configuration lacks something; the line names it."""


class KernelError(Error):
    """Anything else the system refused, with its reason."""


class InputError(Error, ValueError):
    """An argument or a file is wrong; the line says what to write instead."""


class ClosedError(Error, ValueError):
    """The profiler is closed."""


class WireError(Error, ValueError):
    """Bytes that are not what they should be. Attributes that do not apply are None."""

    #: Bytes needed.
    need: Optional[int]
    #: Bytes there are.
    have: Optional[int]
    #: The version that was asked for or found.
    version: Optional[int]
    #: A message's type.
    number: Optional[int]
    #: A message's length in bytes, as its header says.
    length: Optional[int]
    #: Where a message starts in its queue.
    position: Optional[int]
    #: Bytes up to the end of what is written, or of the ring.
    room: Optional[int]
    #: What the kernel has written, in slots.
    head: Optional[int]
    #: What the agent has taken, in slots.
    tail: Optional[int]
    #: How many slots there are.
    slots: Optional[int]
    #: Where a header says that its contents start, in bytes.
    start: Optional[int]
    #: The alignment that is missing, in bytes.
    align: Optional[int]

    def __init__(
        self,
        line: str = "",
        *,
        need: Optional[int] = None,
        have: Optional[int] = None,
        version: Optional[int] = None,
        number: Optional[int] = None,
        length: Optional[int] = None,
        position: Optional[int] = None,
        room: Optional[int] = None,
        head: Optional[int] = None,
        tail: Optional[int] = None,
        slots: Optional[int] = None,
        start: Optional[int] = None,
        align: Optional[int] = None,
    ) -> None:
        super().__init__(line)
        self.need = need
        self.have = have
        self.version = version
        self.number = number
        self.length = length
        self.position = position
        self.room = room
        self.head = head
        self.tail = tail
        self.slots = slots
        self.start = start
        self.align = align


class AbiError(WireError):
    """An ABI this library does not speak: `version`."""


class DecodeError(WireError):
    """Bytes that are no message: cut off (`need`, `have`), or too short for its kind (`number`, `need`, `length`)."""


class EncodeError(WireError):
    """A message that cannot be written: not in this ABI (`number`, `version`), or too long (`need`)."""


class QueueError(WireError):
    """Bytes that are no queue (`need`, `have`, `version`, `start`, `slots`), or a ring that makes no sense.

    The latter is `head`, `tail`, `slots` where more is in use than there is, or `position`, `length`, `room` of a message
    that ends where none can.
    """


class RegionError(WireError):
    """Bytes that are no region of status words, or hold no whole transaction (`need`, `have`, `version`, `start`)."""
