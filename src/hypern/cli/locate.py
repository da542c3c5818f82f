"""From `module:name` to the app."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from types import ModuleType
from typing import Any

from hypern.errors import ConfigurationError
from hypern.http.application import WebApp

_NAMES = ("app", "application")
_FORM = re.compile(r"(?P<module>\w+(\.\w+)*)(:(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)(?P<call>\(\))?)?")


def locate(text: str) -> WebApp:
    """The app that `text` names, found from the current directory on. ConfigurationError if there is none.

    A module that raises while it is imported ends the program with its traceback and status 1.
    """
    form, module = _open(text)
    if form["name"] is None:
        found = _guess(module)
        if found is None:
            raise _not_found(module)
        return found
    found = _attribute(module, form["name"])
    if form["call"]:
        found = _call(found, text)
    if isinstance(found, WebApp):
        return found
    raise ConfigurationError(_wrong_type(found, text, form["name"]))


def locate_tasks(text: str) -> WebApp | None:
    """As `locate`, where a module without an app is as good: it declares tasks of a program that has none."""
    form, module = _open(text)
    if form["name"] is not None:
        return locate(text)
    found = _guess(module)
    if found is None and any(isinstance(value, WebApp) for value in vars(module).values()):
        raise _not_found(module)
    return found


def _open(text: str) -> tuple[re.Match[str], ModuleType]:
    form = _FORM.fullmatch(text)
    if form is None or form["module"].endswith(".py"):
        raise ConfigurationError(_not_a_name(text))
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    return form, _import(form["module"])


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise ConfigurationError(
                f"there is no module {error.name!r} in {os.getcwd()} or where Python looks for packages. "
                "Start in the directory that the program's imports begin at."
            ) from None
        raise _failed(error) from None
    except Exception as error:
        raise _failed(error) from None


def _guess(module: ModuleType) -> WebApp | None:
    for name in _NAMES:
        found = getattr(module, name, None)
        if isinstance(found, WebApp):
            return found
    return None


def _not_found(module: ModuleType) -> ConfigurationError:
    return ConfigurationError(
        f"the module {module.__name__!r} has no app called {' or '.join(_NAMES)}. "
        f"Say which one it is: {module.__name__}:name."
    )


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            apps = [name for name, value in vars(module).items() if isinstance(value, WebApp)]
            hint = f" It has {', '.join(f'{module.__name__}:{app}' for app in apps)}." if apps else ""
            raise ConfigurationError(f"the module {module.__name__!r} has no {path!r}.{hint}") from None
    return found


def _call(factory: Any, text: str) -> Any:
    if not callable(factory):
        raise ConfigurationError(f"{text}: this is a {type(factory).__name__} and cannot be called.")
    try:
        return factory()
    except Exception as error:
        raise _failed(error) from None


def _failed(error: Exception) -> SystemExit:
    """The end of a program that raises, with its traceback from its own first line on."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)
    return SystemExit(1)


def _is_ours(filename: str) -> bool:
    return filename == __file__ or "importlib" in filename


def _not_a_name(text: str) -> str:
    message = f"{text!r} does not name an app: write module:name, as in app:app."
    path = text.partition(":")[0]
    if path.endswith(".py") or os.sep in path:
        module = path.removesuffix(".py").strip(os.sep + ".").replace(os.sep, ".")
        message += f" For the file {path} that is {module}:app."
    return message


def _wrong_type(found: Any, text: str, name: str) -> str:
    message = f"{text} is a {type(found).__name__}, and an app is a Hypern."
    if callable(found) and not isinstance(found, type):
        message += f" If it makes one, write {text.partition(':')[0]}:{name}()."
    return message
