"""The configuration: a TOML file in, one frozen tree or every fault at once out.

`load_config` is the edge that reads a file; `parse_config` is pure. Money is `Decimal` from the
file on: TOML's numbers never pass through a binary float. Secrets are never in the tree: it holds
the path of the key file, not the key, and a rejected value of `[coinbase]` is never repeated.
"""

from sidecar.config.faults import ConfigError, Fault
from sidecar.config.loader import load_config, parse_config
from sidecar.config.tables import Config

__all__ = ["Config", "ConfigError", "Fault", "load_config", "parse_config"]
