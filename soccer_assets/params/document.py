"""What a file of parameters says, word for word.

YAML itself reads more into a file than who wrote it meant: of a key that is there twice the first value
is lost, ``36:00`` is 2160, ``020`` is 16, ``yes`` is 1. Here a number is what anybody reads as one.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from soccer_assets.settings import SettingsError

_BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float"))


class _Twice(yaml.YAMLError):
    """A key is there twice."""


class _Loader(yaml.SafeLoader):
    """Without the old spellings of numbers, which stay the texts that they are."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - of this class alone, as PyYAML has it
        first: [(tag, pattern) for tag, pattern in known if tag not in (_BOOL, _INT, _FLOAT)]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Not where mappings are constructed: what is merged into one by ``<<`` may be there twice.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # no parameter; refused as an unknown key
            line = key.start_mark.line + 1
            if key.value in lines:
                raise _Twice(f"{key.value}: given twice, in lines {lines[key.value]} and {line}")
            lines[key.value] = line
        return node


_Loader.add_implicit_resolver(_BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")
_Loader.add_implicit_resolver(_INT, re.compile("^[-+]?(?:0|[1-9][0-9_]*)$"), "-+0123456789")
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"""^(?:[-+]?(?:(?:0|[1-9][0-9_]*)(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?
        |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
        re.VERBOSE,
    ),
    "-+.0123456789",
)


def read_document(path: Path) -> Any:
    """What the file holds; an empty one holds no section.

    Raises:
        SettingsError: it cannot be read, is no YAML, or says something twice.
    """
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise SettingsError(f"parameters {path}: {error.strerror}") from None
    except _Twice as error:
        raise SettingsError(f"parameters {path}: {error}") from None
    except RecursionError:
        raise SettingsError(f"parameters {path}: not YAML: nested too deeply") from None
    # A ValueError: a date that is none, a number of thousands of digits, a text that is not UTF-8.
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"parameters {path}: not YAML: {reason}") from None
    return {} if found is None else found
