"""What is refused before Ray is imported."""

from __future__ import annotations

import socket
from threading import Thread

import pytest

from nas.tasks import Need, connected
from nas.tasks import ray as engine
from search_spaces import RequestError


def refusal(on: str) -> str:
    with pytest.raises(RequestError) as refused, connected(on, Need()):
        pass
    return str(refused.value)


def test_an_engine_that_there_is_not() -> None:
    assert "'rya' (did you mean ray?): expected ray" in refusal("rya")


@pytest.mark.parametrize("address", ["somewhere", ":6379", "10.0.0.1:port", "10.0.0.1:99999"])
def test_an_address_that_is_none(address: str) -> None:
    assert "expected HOST:PORT" in refusal(f"ray:{address}")


def test_an_address_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "no cluster answers there" in refusal(f"ray:127.0.0.1:{port}")


def test_an_address_where_something_else_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "no answer" in refusal(f"ray:127.0.0.1:{silent.getsockname()[1]}")

    def greet(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            connection.recv(100)

    with socket.create_server(("127.0.0.1", 0)) as other:
        greeter = Thread(target=greet, args=(other,))
        greeter.start()
        assert "is no Ray cluster" in refusal(f"ray:127.0.0.1:{other.getsockname()[1]}")
        greeter.join()


def test_without_ray_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    assert refusal("ray") == "--on ray: Ray is not installed here; pip install 'zero-cost-nas[ray]'"


def test_an_address_of_the_environment_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "somewhere")
    assert refusal("ray").startswith("--on ray with RAY_ADDRESS=somewhere: expected HOST:PORT")
