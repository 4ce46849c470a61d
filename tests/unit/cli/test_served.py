"""Ports for what is started on this machine."""

import itertools

import pytest

from broker.cli.served import LOWEST, _first_for_connections, free_ports

pytestmark = pytest.mark.sockets


def test_ports_are_each_another_and_below_those_of_outgoing_connections():
    found = free_ports(20)
    assert len(set(found)) == 20
    assert all(LOWEST <= each < _first_for_connections() for each in found)


def test_one_that_is_taken_is_passed_over():
    first, second = free_ports(2)
    places = itertools.chain([first - LOWEST, first - LOWEST], itertools.repeat(second - LOWEST))
    assert free_ports(2, chance=lambda _: next(places)) == [first, second]


def test_where_nothing_is_free_there_the_kernel_is_asked():
    (port,) = free_ports(1)
    first, second = free_ports(2, chance=lambda _: port - LOWEST)
    assert first == port != second
