"""How an extension fails for the program that loads it; each error says so in one sentence."""

from __future__ import annotations

from collections.abc import Sequence


class ExtensionError(Exception):
    """Something is wrong with the extension called `extension_name`."""

    def __init__(self, extension_name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.extension_name = extension_name


class ExtensionNotFound(ExtensionError):
    """There is no extension of this name where it was looked for."""


class ExtensionLoadError(ExtensionError):
    """It could not be loaded; the errors below say more exactly why."""


class ExtensionConfigError(ExtensionLoadError):
    """Its configuration does not fit what it declares."""


class ExtensionDependencyError(ExtensionLoadError):
    """Packages that it requires are missing, or of another version: `missing_deps` has the requirements."""

    def __init__(self, extension_name: str, sentence: str, missing_deps: Sequence[str] = ()) -> None:
        super().__init__(extension_name, sentence)
        self.missing_deps = list(missing_deps)


class ExtensionValidationError(ExtensionLoadError):
    """Its class or manifest is none of an extension: `validation_errors` has a sentence for each mistake."""

    def __init__(self, extension_name: str, sentence: str, validation_errors: Sequence[str] = ()) -> None:
        super().__init__(extension_name, sentence)
        self.validation_errors = list(validation_errors)


class ExtensionServiceError(ExtensionError):
    """It failed while it ran: in its setup(), start() or stop()."""
