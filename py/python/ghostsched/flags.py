"""Flags and outcomes, made from the tables of the native half. Bits that are not known are kept."""

from __future__ import annotations

import enum

from ._native import flags, record_columns

_members = flags()

StatusFlags = enum.IntFlag("StatusFlags", _members["StatusFlags"], module=__name__)
StatusFlags.__doc__ = "`flags` of a status word."
RunFlags = enum.IntFlag("RunFlags", _members["RunFlags"], module=__name__)
RunFlags.__doc__ = "`run_flags` of a transaction."
CommitFlags = enum.IntFlag("CommitFlags", _members["CommitFlags"], module=__name__)
CommitFlags.__doc__ = "`commit_flags` of a transaction; neither AT_SCHEDULE nor AT_TXN_COMMIT is greedy."
Outcome = enum.IntEnum("Outcome", _members["Outcome"], module=__name__)
Outcome.__doc__ = "`state` of a transaction that has ended."
Fields = enum.IntFlag("Fields", {name: bit for name, bit, _ in record_columns()[1] if bit}, module=__name__)
Fields.__doc__ = "`fields` of a row: which of the columns the message has, by their names."
