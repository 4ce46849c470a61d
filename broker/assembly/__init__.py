"""Builds everything: the only room that names engines, a module for each thing that is built."""

from broker.assembly.agency import connect
from broker.assembly.realm import found_realm, operator_keys, publish_directory, renew_directory

__all__ = ["connect", "found_realm", "operator_keys", "publish_directory", "renew_directory"]
