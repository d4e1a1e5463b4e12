"""A supervisord.conf, read as supervisord does, and told as providers of ours, as far as they have it."""

from __future__ import annotations

import configparser
import glob
import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gleitzeitctl.complaint import misuse

POLICIES = {"false": "never", "true": "always", "unexpected": "on-failure"}
BOOLEANS = {"true": ("true", "t", "on", "yes", "y", "1"), "false": ("false", "f", "off", "no", "n", "0")}
UNITS = {"KB": "KiB", "MB": "MiB", "GB": "GiB"}
"""supervisord counts by 1024."""
EXPANSION = re.compile(r"%\((\w+)\)[sd]")
VARIABLE = re.compile(r"""\s*(\w+)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^,\s]*)\s*(?:,|$)""")
NEEDLESS = frozenset(
    {"stopasgroup", "killasgroup", "redirect_stderr", "stdout_logfile", "stderr_logfile", "process_name"}
    | {"stdout_capture_maxbytes", "stderr_capture_maxbytes", "stdout_events_enabled", "stderr_events_enabled"}
    | {"stdout_syslog", "stderr_syslog", "serverurl"}
)
"""Keys that say what is always so here, or what has no meaning."""
FOREIGN = {
    "eventlistener": "is not taken over: `gleitzeitctl events -f --json` tells what it would be told",
    "fcgi-program": "is not taken over: no socket is made for a provider",
    "rpcinterface": "is not taken over: the control API is at the daemon's socket",
}


@dataclass
class Taken:
    """What came of it."""

    providers: dict[str, dict[str, Any]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    """Sentences about what is otherwise here."""


def read(path: str) -> Taken:
    """Raises Complaint for a file that cannot be read."""
    taken, parser = Taken(), _parser()
    _take_in(parser, path)
    if parser.has_option("include", "files"):
        here = os.path.dirname(os.path.abspath(path))
        for pattern in parser.get("include", "files").split():
            for more in sorted(glob.glob(os.path.join(here, _expanded(pattern, {"here": here})))):
                _take_in(parser, more)
    for section in parser.sections():
        kind, _, name = section.partition(":")
        if kind == "program":
            _take_program(taken, name, dict(parser.items(section)), os.path.dirname(os.path.abspath(path)))
        elif kind == "group":
            patterns = 'patterns such as "web*" name several providers'
            taken.remarks.append(f"[{section}]: there are no groups; {patterns}")
        elif kind in FOREIGN:
            taken.remarks.append(f"[{section}] {FOREIGN[kind]}")
    return taken


def as_yaml(taken: Taken, source: str) -> str:
    """The text of a config file with these providers, each key on a line of its own."""
    lines = [f"# Made from {source} by `gleitzeitctl config import`."]
    lines += [f"# {' '.join(remark.split())}" for remark in taken.remarks]
    lines += ["", "providers:"] if taken.providers else ["", "providers: {}"]
    for name, block in taken.providers.items():
        lines.append(f"  {json.dumps(name)}:")
        lines += [f"    {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in block.items()]
    return "\n".join(lines) + "\n"


def _parser() -> configparser.RawConfigParser:
    return configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)


def _take_in(parser: configparser.RawConfigParser, path: str) -> None:
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file, path)
    except OSError as exc:
        raise misuse(f"{path}: {exc.strerror}") from exc
    except (configparser.Error, UnicodeDecodeError) as exc:
        raise misuse(f"{path} is no configuration of supervisord: {' '.join(str(exc).split())}") from exc


def _take_program(taken: Taken, name: str, given: Mapping[str, str], here: str) -> None:
    known = {"here": here, "program_name": name, "group_name": name, "numprocs": given.get("numprocs", "1")}
    values = {key: _expanded(value, known) for key, value in given.items()}
    block: dict[str, Any] = {}
    for key, value in values.items():
        try:
            block |= _taken_over(key, value)
        except LookupError:
            if key not in NEEDLESS:
                taken.remarks.append(f"[program:{name}] {key}={value}: {_otherwise(key)}")
        except ValueError as exc:
            # what stands in an environment may be a secret
            shown = "" if key == "environment" else value
            raise misuse(f"[program:{name}] {key}={shown}: {exc}") from exc
    if "%(process_num)" in "".join(values.values()):
        alike = "its instances cannot differ by %(process_num): make a block for each"
        taken.remarks.append(f"[program:{name}]: {alike}")
    block.setdefault("restart", {"policy": "on-failure"})
    taken.providers[name] = _nested(block)


def _taken_over(key: str, value: str) -> dict[str, Any]:
    """Our keys and values for one of theirs. Raises LookupError where there are none, ValueError."""
    match key:
        case "command":
            return {"command": shlex.split(value)}
        case "autostart" if _flag(value):
            return {}
        case "autostart":
            return {"enabled": False}
        case "autorestart":
            return {"restart": {"policy": _policy(value)}}
        case "startsecs":
            return {"start_seconds": int(value)}
        case "startretries":
            return {"max_retry_attempts": int(value) + 1}
        case "stopsignal":
            return {"stop.signal": f"SIG{value.upper().removeprefix('SIG')}"}
        case "stopwaitsecs":
            return {"stop.timeout": int(value)}
        case "numprocs":
            return {"instances": int(value)}
        case "directory":
            return {"cwd": value}
        case "umask":
            return {"umask": f"{int(value, 8):04o}"}
        case "user":
            return {"user": value}
        case "environment":
            return {"env": dict(_variables(value))}
        case "stdout_logfile_maxbytes" if value != "0":
            return {"logs.size": _size(value)}
        case "stdout_logfile_backups":
            return {"logs.files": int(value)}
    raise LookupError(key)


def _policy(text: str) -> str:
    try:
        return POLICIES[_word(text)]
    except KeyError as exc:
        raise ValueError("it is true, false or unexpected") from exc


def _otherwise(key: str) -> str:
    return {
        "priority": "there are no priorities; `depends_on` says what has to be ready first",
        "exitcodes": "under `on-failure` an exit with 0 alone is expected",
        "numprocs_start": "instances are numbered from 1",
        "stdout_logfile_maxbytes": "every log is rotated; `logs.size` says when",
        "stderr_logfile_maxbytes": "stdout and stderr share a file, whose size is `logs.size`",
        "stderr_logfile_backups": "stdout and stderr share a file; `logs.files` older ones are kept",
    }.get(key, "there is nothing like it here")


def _expanded(text: str, known: Mapping[str, str]) -> str:
    """Their variables by what they stand for; those of the environment become ours."""
    literal = text.replace("${", "$${")

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return f"${{{name[4:]}}}" if name.startswith("ENV_") else known.get(name, found[0])

    return EXPANSION.sub(value, literal).replace("%%", "%")


def _variables(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text.rstrip()):
        found = VARIABLE.match(text, at)
        if found is None:
            raise ValueError('it is not a list of KEY="value"')
        yield found[1], found[2][1:-1] if found[2][:1] in ("'", '"') else found[2]
        at = found.end()


def _size(text: str) -> str:
    number, unit = text[:-2], text[-2:].upper()
    return f"{int(number)}{UNITS[unit]}" if unit in UNITS else str(int(text))


def _flag(text: str) -> bool:
    return _word(text) == "true"


def _word(text: str) -> str:
    word = text.strip().lower()
    return next((name for name, words in BOOLEANS.items() if word in words), word)


def _nested(block: Mapping[str, Any]) -> dict[str, Any]:
    """`stop.signal` and `stop.timeout` as one `stop`."""
    made: dict[str, Any] = {}
    for key, value in block.items():
        outer, _, inner = key.partition(".")
        if inner:
            made.setdefault(outer, {})[inner] = value
        else:
            made[outer] = value
    return made
