"""What a key makes of the state. Pure."""

from __future__ import annotations

from dataclasses import replace

from gleitzeitctl.monitor.model import KEPT_LINES, Page, State, fitted, rows, settled

MOVES = {
    "up": -1,
    "k": -1,
    "down": 1,
    "j": 1,
    "page up": -0.9,
    "page down": 0.9,
    "home": -1e9,
    "g": -1e9,
    "end": 1e9,
    "G": 1e9,
}
"""How far each key moves: whole rows, or parts of a screen."""


def pressed(state: State, key: str) -> State:
    if state.asks:
        answered = replace(state, asks=False)
        return replace(answered, order=state.selected) if key in ("y", "Y") else answered
    if state.is_typing:
        return settled(_typed(state, key))
    state = replace(state, message="")
    if key in MOVES:
        return _moved(state, key)
    if key in ("q", "Q") and len(state.pages) == 1:
        return replace(state, is_over=True)
    if key in ("q", "Q", "escape", "backspace"):
        return settled(_back(state))
    return settled(_done(state, key))


def _moved(state: State, key: str) -> State:
    far = MOVES[key]
    by = int(far) if far == int(far) else int(far * (state.height - 4))
    if state.page is Page.TABLE:
        names = [one["name"] for one in rows(state)]
        at = max(0, min(state.at + by, len(names) - 1))
        return replace(state, at=at, selected=names[at] if names else state.selected, is_chosen=True)
    if state.page is Page.LOGS:
        return replace(state, scroll=max(0, min(state.scroll - by, len(state.log) - 1)))
    return replace(state, scroll=max(0, min(state.scroll + by, KEPT_LINES)))


def _typed(state: State, key: str) -> State:
    match key:
        case "enter" | "up" | "down":
            return replace(state, is_typing=False, is_chosen=True)
        case "escape":
            return replace(state, is_typing=False, wanted="")
        case "backspace":
            return replace(state, wanted=state.wanted[:-1])
        case "clear":
            return replace(state, wanted="")
    return replace(state, wanted=(state.wanted + key)[:60]) if len(key) == 1 else state


def _back(state: State) -> State:
    if len(state.pages) > 1:
        return replace(state, pages=state.pages[:-1], scroll=0, log=())
    return replace(state, wanted="")


def _opened(state: State, page: Page) -> State:
    return replace(state, pages=(*state.pages, page), scroll=0, log=(), is_chosen=True)


def _done(state: State, key: str) -> State:
    match key:
        case "?" | "h" if state.page is not Page.HELP:
            return _opened(state, Page.HELP)
        case "r" if state.subject and state.page is not Page.HELP:
            return replace(state, asks=True, is_chosen=True)
        case "l" if state.subject and state.page in (Page.TABLE, Page.DETAILS):
            return _opened(state, Page.LOGS)
        case "enter" | "d" if state.subject and state.page is Page.TABLE:
            return replace(_opened(state, Page.DETAILS), provider=state.subject["provider"], story={})
        case "tab" | "n" if state.page is Page.DETAILS:
            return _next(state)
    return _arranged(state, key) if state.page is Page.TABLE else state


def _next(state: State) -> State:
    """Another instance of the provider that is shown."""
    names = [one["name"] for one in rows(state)]
    at = (names.index(state.selected) + 1) % len(names) if state.selected in names else 0
    return replace(state, selected=names[at], is_chosen=True) if names else state


def _arranged(state: State, key: str) -> State:
    match key:
        case "/" | "f":
            return replace(state, is_typing=True, is_chosen=False)
        case "i":
            return replace(state, is_inverse=not state.is_inverse, is_chosen=False)
        case "left" | "<" | "right" | ">" | "s":
            shown = [column.title for column, _ in fitted(state) if column.key]
            step = -1 if key in ("left", "<") else 1
            at = shown.index(state.sort) if state.sort in shown else 0
            sort = shown[(at + step) % len(shown)]
            return replace(state, sort=sort, is_inverse=False, is_chosen=False)
    return state
