"""The providers that come with gleitzeitd, one file each. A `providers/` of yours may lie beside it."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
