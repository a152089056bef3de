"""A server of PostgreSQL in a folder of its own, as Debian installs it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

USER, PASSWORD = "nas", "s3cret-word"


def programs() -> Path | None:
    """The folder of the newest initdb and pg_ctl."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class Server:
    """A server on a free port of the loopback, which takes a password."""

    def __init__(self) -> None:
        binaries = programs()
        if binaries is None:
            pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
        self._programs = binaries
        self._folder = Path(tempfile.mkdtemp(prefix="nas-postgres-"))
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        if os.getuid() == 0:  # initdb refuses root
            for path in (self._folder, secret):
                shutil.chown(path, "postgres")
        self._data = self._folder / "data"
        self._run("initdb", "-D", self._data, "-U", USER, "--pwfile", secret, "-A", "scram-sha-256",
                  "-E", "UTF8", "--no-sync")  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder}"
        self._run("pg_ctl", "-D", self._data, "-l", self._folder / "log", "-w", "-o",
                  f"{settings} -c fsync=off", "start")  # fmt: skip

    def stop(self) -> None:
        """Stop it at once, as a power failure does."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def close(self) -> None:
        """Stop it, and remove its folder."""
        if (self._data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._folder)

    def url(self, database: str = "postgres", password: str | None = PASSWORD) -> str:
        """The URL of a database."""
        user = USER if password is None else f"{USER}:{password}"
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Create a database; gives its URL."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}")
        return self.url(database)

    def _run(self, program: str, *arguments: object) -> None:
        words = [str(self._programs / program), *map(str, arguments)]
        if os.getuid() == 0:
            words = ["runuser", "-u", "postgres", "--", *words]
        done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/")
        assert done.returncode == 0, done.stderr
