"""What it means for a call when obstore raises: its errors have few classes, the rest is in their words."""

from __future__ import annotations

import re

from gleitzeit_extensions import CallError, InvalidRequest, RateLimited, Unavailable

LONGEST_REFUSAL = 300
"""Characters of an error that the caller is told."""

METADATA = "169.254.169.254"
"""Where a machine in the cloud has its keys: obstore asks there when it was given none."""

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")


def words(exc: BaseException) -> str:
    """What it says: its first line, and the code of a refusal in XML."""
    text = str(exc)
    code = _CODE.search(text)
    first = text.partition("\n")[0].partition("<")[0].rstrip(" :")
    if len(first) > LONGEST_REFUSAL:
        # The reason is at its end.
        first = f"{first[: LONGEST_REFUSAL // 2]} ... {first[-LONGEST_REFUSAL // 2 :]}"
    return first + (f" ({code[1]})" if code else "")


def told(exc: Exception, where: str, said: str, is_remote: bool) -> CallError:
    """`said` is what of its words may be told; `where` is the store."""
    from obstore import exceptions

    match exc:
        case FileNotFoundError():
            return InvalidRequest(f"there is no such object: {said}")
        case exceptions.AlreadyExistsError() | exceptions.PreconditionError():
            return CallError("conflict", said)
        case exceptions.PermissionDeniedError() | exceptions.UnauthenticatedError() | PermissionError():
            return _failed(f"the store at {where} refuses what `options` shows it: {said}")
        case exceptions.NotSupportedError() | NotImplementedError():
            return InvalidRequest(f"this kind of store cannot do that: {said}")
        case exceptions.GenericError() if is_remote:
            return _by_status(str(exc), where, said)
        case _:
            # What is left is about the path: for one that cannot be read it has a TypeError or a ValueError.
            return InvalidRequest(said)


def _by_status(text: str, where: str, said: str) -> CallError:
    if METADATA in text:
        return _failed(f"there are no keys for {where}: give them in `options`, or with `env`")
    found = _STATUS.search(text)
    match int(found[1]) if found else 0:
        case 429:
            return RateLimited(f"the store at {where} wants fewer requests: {said}")
        case status if 400 <= status < 500 and status != 408:
            return _failed(f"the store at {where} refuses the request: {said}")
        case _:
            return Unavailable(f"no store at {where}: {said}")


def _failed(sentence: str) -> CallError:
    return CallError("provider_error", sentence)
