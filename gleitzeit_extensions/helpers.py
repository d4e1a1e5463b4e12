"""What most programs do with extensions, in a call each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from gleitzeit_extensions.catalog import requirements
from gleitzeit_extensions.exceptions import ExtensionConfigError, ExtensionError
from gleitzeit_extensions.extensions.cluster import GleitzeitCluster
from gleitzeit_extensions.extensions.manager import ExtensionManager, Place

log = logging.getLogger("gleitzeit")


def create_cluster_with_extensions(
    search_paths: Iterable[Place] | None = None,
    extensions: Iterable[str] = (),
    extension_configs: Mapping[str, Mapping[str, Any]] | None = None,
    **cluster_kwargs: Any,
) -> tuple[GleitzeitCluster, ExtensionManager]:
    """A cluster, and its manager with `extensions` loaded; nothing is started yet.

    An extension that cannot be loaded is logged, and missing in `manager.list_loaded()`.
    `extension_configs` has the keywords of each by its name, `cluster_kwargs` are those of GleitzeitCluster.
    Raises ExtensionConfigError for keywords of one that is not to be loaded.
    """
    cluster = GleitzeitCluster(**cluster_kwargs)
    manager = ExtensionManager(cluster)
    manager.discover_extensions(search_paths)
    extensions, configs = list(extensions), extension_configs or {}
    for name in configs:
        if name not in extensions:
            near = get_close_matches(name, extensions, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise ExtensionConfigError(
                name, f'extension_configs has "{name}", which is not in extensions{hint}'
            )
    for name in extensions:
        try:
            manager.load_extension(name, **configs.get(name, {}))
        except ExtensionError as exc:
            log.error("%s", exc)
    return cluster, manager


async def start_cluster_with_extensions(
    cluster: GleitzeitCluster, manager: ExtensionManager, start_extensions: bool = True
) -> None:
    """Start the cluster, and with it what `manager` has loaded."""
    cluster.set_extension_manager(manager)
    if start_extensions:
        await cluster.start()


async def stop_cluster_with_extensions(
    cluster: GleitzeitCluster, manager: ExtensionManager, stop_extensions: bool = True
) -> None:
    """Stop the cluster, and with it the extensions of `manager`."""
    cluster.set_extension_manager(manager)
    if stop_extensions:
        await cluster.stop()


def get_available_models(manager: ExtensionManager) -> dict[str, dict[str, Any]]:
    """`{model: {extension, capabilities, max_tokens, cost_per_token, metadata}}`; the first one counts."""
    models: dict[str, dict[str, Any]] = {}
    for name, info in manager.list_available().items():
        for model in info.meta.models:
            entry = {
                "extension": name,
                "capabilities": list(model.capabilities),
                "max_tokens": model.max_tokens,
                "cost_per_token": model.cost_per_token,
                "metadata": dict(model.metadata),
            }
            models.setdefault(model.name, entry)
    return models


def get_extensions_by_capability(manager: ExtensionManager, capability: str) -> list[str]:
    """The extensions that declare it, for themselves or for one of their models."""
    return [
        name
        for name, info in manager.list_available().items()
        if capability in info.meta.capabilities
        or any(capability in model.capabilities for model in info.meta.models)
    ]


def validate_all_dependencies(manager: ExtensionManager) -> dict[str, dict[str, Any]]:
    """`{name: {"valid": bool, "missing": [requirement, ...]}}`, with an `error` where it is not valid."""
    return {name: _validity(info.meta.dependencies) for name, info in manager.list_available().items()}


def _validity(dependencies: tuple[str, ...]) -> dict[str, Any]:
    unmet = requirements.unmet(dependencies)
    told = {"valid": not unmet, "missing": [one.requirement for one in unmet]}
    return told | ({"error": "; ".join(one.sentence for one in unmet)} if unmet else {})


def create_extension_summary_report(manager: ExtensionManager) -> str:
    """A few lines for people: each extension with its state, and what could not be used."""
    summary = manager.get_summary()
    total, loaded, running = (
        summary[key] for key in ("available_extensions", "loaded_extensions", "running_services")
    )
    lines = [f"Extensions: {total} available, {loaded} loaded, {running} running"]
    for name in manager.list_available():
        lines += _lines(manager.get_extension_info(name))
    if summary["problems"]:
        lines += ["", "Could not be used:", *(f"  {sentence}" for sentence in summary["problems"])]
    return "\n".join(lines)


def _lines(info: dict[str, Any]) -> list[str]:
    state = (
        "failed"
        if "error" in info
        else "running"
        if info["running"]
        else "loaded"
        if info["loaded"]
        else "available"
    )
    about = f": {info['description']}" if info["description"] else ""
    lines = ["", f"{info['name']} {info['version']} ({info['type']}, {state}){about}"]
    if "health" in info:
        health = info["health"]
        lines.append(f"  health: {'healthy' if health['healthy'] else health.get('error', 'not healthy')}")
    for model in info["models"]:
        words = f" ({', '.join(model['capabilities'])})" if model["capabilities"] else ""
        lines.append(f"  model {model['name']}{words}")
    if info["capabilities"]:
        lines.append(f"  capabilities: {', '.join(info['capabilities'])}")
    return lines
