"""A study in a storage of Optuna: its address without a password, and calls that outlast a cut connection."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import optuna
import sqlalchemy
from optuna.exceptions import DuplicatedStudyError, StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, _CachedStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import (
    ArgumentError,
    InterfaceError,
    OperationalError,
    PendingRollbackError,
    SQLAlchemyError,
)

from nas.optimize.trials import quiet
from search_spaces import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.study import StudyDirection

T = TypeVar("T")

HEARTBEAT = 10
"""Seconds between the signs of life of a trial."""
GRACE = 60
"""Seconds without a sign of life after which a trial is taken for lost."""
_RETRIES = 3
"""How often a lost trial is run again."""
_PATIENCE = 120.0
"""Seconds for which a storage that does not answer is called again."""
_PAUSES = (0.1, 5.0)
"""The first and the longest pause between two calls, in seconds."""
_OPENINGS = 5
"""How often a new storage is opened while another process creates its tables."""
_CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""What libpq takes for a dead connection: without it, one that a firewall drops would hang for hours."""
_SECRETS = ("password", "sslpassword", "passwd")
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_INSTALL = {
    "psycopg": "pip install 'zero-cost-nas[postgres]'",
    "pymysql": "pip install pymysql",
    "MySQLdb": "pip install mysqlclient",
}


class UnreachableError(RequestError):
    """A storage has not answered for long."""


@dataclass(frozen=True, repr=False)
class Address:
    """Where a storage is.

    Attributes:
        url: Its URL, perhaps with a password.
    """

    url: sqlalchemy.URL

    @classmethod
    def of(cls, text: str) -> Self:
        """The address of a URL.

        Raises:
            RequestError: It is no URL that Optuna knows; the message does not contain it.
        """
        expected = "expected postgresql://user@host/database, sqlite:///study.db or mysql://..."
        try:
            url = sqlalchemy.make_url(text)
        except (ArgumentError, ValueError):
            raise RequestError(f"--storage is not a URL; {expected}") from None
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        try:
            dialect = url.get_dialect()
            dialect.import_dbapi()
        except ArgumentError:
            raise RequestError(f"--storage {url.drivername}://...: no such kind; {expected}") from None
        except ImportError as error:
            hint = _INSTALL.get(error.name or "", f"pip install {error.name}")
            raise RequestError(
                f"--storage {url.drivername}://... needs the package {error.name}: {hint}"
            ) from None
        if dialect.name == "sqlite":
            if not url.database or url.database == ":memory:":
                raise RequestError("--storage sqlite:// needs a file, as sqlite:///study.db")
            url = url.set(database=str(Path(url.database).absolute()))
        return cls(url)

    @property
    def public(self) -> str:
        """The URL without a password."""
        driver = next((name for name, full in _DRIVERS.items() if full == self.url.drivername), None)
        url = self.url.set(drivername=driver or self.url.drivername)
        if url.password is not None:
            url = sqlalchemy.URL.create(
                url.drivername, url.username, None, url.host, url.port, url.database, url.query
            )
        kept = {name: value for name, value in url.query.items() if name not in _SECRETS}
        return url.set(query=kept).render_as_string(hide_password=False)

    def refusal(self, error: BaseException) -> RequestError:
        """An error of a storage as one line, with the way out and without the password."""
        text = next(iter(str(getattr(error, "orig", None) or error).strip().splitlines()), repr(error))
        for secret in (self.url.password, *(self.url.query.get(name) for name in _SECRETS)):
            text = text.replace(str(secret), "***") if secret else text
        hint = "check the address, and that the database runs there"
        if "does not exist" in text and "database" in text:
            hint = f"create it (createdb {self.url.database}), or correct the name"
        elif any(word in text for word in ("password", "authentication", "Access denied", "no pg_hba")):
            hint = "give user and password in the URL, in PGPASSWORD or in ~/.pgpass"
        elif "permission denied" in text:
            hint = f"let {self.url.username} create tables there, as the owner of the database may"
        elif "not a database" in text:
            hint = "name a new file, or one that Optuna has written"
        elif self.url.drivername.startswith("sqlite"):
            hint = "check that its folder exists and can be written"
        return RequestError(f"storage {self.public}: {text}; {hint}")

    def open(self, heartbeat: int, grace: int) -> RDBStorage:
        """The storage; its tables are created if it has none.

        Raises:
            RequestError: It does not answer, refuses, or is of another version of Optuna.
        """
        settings: dict[str, Any] = {"pool_pre_ping": True}
        if self.url.drivername == "postgresql+psycopg":
            settings["connect_args"] = {**_CONNECTION, "application_name": "nas search"}
        elif self.url.drivername.startswith("sqlite"):
            settings["connect_args"] = {"timeout": 30}
        engine = sqlalchemy.create_engine(self.url, **settings)
        try:
            with engine.connect():
                pass
        except SQLAlchemyError as error:
            raise self.refusal(error) from error
        finally:
            engine.dispose()
        for attempt in range(_OPENINGS):
            try:
                with quiet():
                    return RDBStorage(
                        self.url.render_as_string(hide_password=False),
                        engine_kwargs=settings,
                        heartbeat_interval=heartbeat,
                        grace_period=grace,
                        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(_RETRIES),
                    )
            except (SQLAlchemyError, StorageInternalError, AssertionError) as error:
                failure = error.__cause__ if isinstance(error, StorageInternalError) else error
                if attempt == _OPENINGS - 1:
                    raise self.refusal(failure or error) from error
            except RuntimeError as error:  # of Optuna's check of versions
                raise self.refusal(error) from error
            time.sleep(random.uniform(0.1, 0.5))  # another process creates the same tables
        raise AssertionError("unreachable")


class Link:
    """A study in a storage; its calls outlast a cut connection.

    Attributes:
        public: URL of the storage, without a password.
        name: Name of the study.
        is_new: Whether this process has created the study.
        heartbeat: Seconds between the signs of life of a trial.
        grace: Seconds without a sign of life after which a trial is taken for lost.
    """

    def __init__(
        self,
        address: Address,
        name: str,
        directions: Sequence[StudyDirection] | None = None,
        stop: Callable[[], bool] = lambda: False,
        heartbeat: int = HEARTBEAT,
        grace: int = GRACE,
    ) -> None:
        """Open a study, or create it.

        Args:
            address: Address of the storage.
            name: Name of the study.
            directions: Directions of the objectives of a new study; None if it must exist.
            stop: Polled while the storage does not answer.
            heartbeat: See the attributes.
            grace: See the attributes.

        Raises:
            RequestError: The storage refuses, or has no such study.
        """
        self._address, self._stop = address, stop
        self.public, self.name, self.is_new = address.public, name, False
        self.heartbeat, self.grace = heartbeat, grace
        self._database = address.open(heartbeat, grace)
        self._storage = _CachedStorage(self._database)
        self._failed_at = -float("inf")
        if directions is not None:
            try:
                self.patiently(
                    lambda: optuna.create_study(
                        storage=self._storage, study_name=name, directions=list(directions)
                    )
                )
                self.is_new = True
            except DuplicatedStudyError:
                pass
        try:
            self._study = self.patiently(lambda: optuna.load_study(study_name=name, storage=self._storage))
        except KeyError:
            raise RequestError(f"storage {self.public} has no study {name}; start a new search") from None
        self._id = self.patiently(lambda: self._storage.get_study_id_from_name(name))

    def patiently(self, call: Callable[[], T]) -> T:
        """Call a storage, again and again if the connection fails.

        Raises:
            UnreachableError: It has not answered for `_PATIENCE` seconds, or `stop` returns True meanwhile.
        """
        pause, longest = _PAUSES
        begun = None
        while True:
            try:
                return call()
            except (SQLAlchemyError, StorageInternalError) as error:
                cause = error.__cause__ if isinstance(error, StorageInternalError) else error
                if not isinstance(cause, (OperationalError, InterfaceError, PendingRollbackError,
                                          sqlalchemy.exc.TimeoutError)):  # fmt: skip
                    raise
                self._failed_at = time.monotonic()
                begun = self._failed_at if begun is None else begun
                if self._failed_at - begun > _PATIENCE or self._stop():
                    raise UnreachableError(f"{self._address.refusal(cause)}; then go on") from None
                time.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(2 * pause, longest)

    def attribute(self, name: str) -> Any:
        """A user attribute of the study; None if it has none of that name."""
        return self.patiently(lambda: self._study.user_attrs).get(name)

    def set_attribute(self, name: str, value: Any) -> None:
        """Set a user attribute of the study."""
        self.patiently(lambda: self._study.set_user_attr(name, value))

    def trials(self) -> list[FrozenTrial]:
        """All trials, by number."""
        return self.patiently(lambda: self._storage.get_all_trials(self._id, deepcopy=False))

    def create(self, template: FrozenTrial, claim: str) -> int:
        """Create a trial in one transaction; gives its identifier.

        Numbers follow the order of creation: who creates a trial sees all that have smaller numbers.

        Args:
            template: The trial; its user attributes contain `claim`.
            claim: A value that no other trial has, by which it is found if the answer is lost.
        """
        asked = False

        def create() -> int:
            nonlocal asked
            if asked:
                for trial in reversed(self._storage.get_all_trials(self._id, deepcopy=False)):
                    if claim in trial.user_attrs.values() and "failed_trial" not in trial.system_attrs:
                        return trial._trial_id
            asked = True
            return self._storage.create_new_trial(self._id, template)

        return self.patiently(create)

    def take(self, trial: FrozenTrial, attributes: Mapping[str, Any]) -> bool:
        """Take a waiting trial; False if another worker has."""
        try:
            taken = self.patiently(
                lambda: self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
            )
        except UpdateFinishedTrialError:
            return False
        for name, value in attributes.items() if taken else ():
            self.describe(trial, name, value)
        return taken

    def describe(self, trial: FrozenTrial, name: str, value: Any) -> None:
        """Set a user attribute of a trial, unless it is finished."""
        with suppress(UpdateFinishedTrialError):
            self.patiently(lambda: self._storage.set_trial_user_attr(trial._trial_id, name, value))

    def finish(self, trial: FrozenTrial, values: Sequence[float] | None) -> bool:
        """Complete a trial, or let it fail without values; False if it is finished already."""
        state = TrialState.FAIL if values is None else TrialState.COMPLETE
        try:
            self.patiently(lambda: self._storage.set_trial_state_values(trial._trial_id, state, values))
        except UpdateFinishedTrialError:
            return False
        return True

    def run_again(self, trial: FrozenTrial) -> None:
        """Let a trial fail whose worker is dead, and queue it again; a few times at most."""
        if self.finish(trial, None):
            again = self._storage.get_heartbeat_stale_trial_callback()
            assert again is not None
            self.patiently(lambda: again(self._study, self._storage.get_trial(trial._trial_id)))

    def beat(self, trial: FrozenTrial) -> None:
        """Give a sign of life of a trial."""
        self.patiently(lambda: self._storage.record_heartbeat(trial._trial_id))

    def retry_lost(self) -> None:
        """Let trials without a sign of life fail, and queue them again.

        After a cut of the connection, others first get the time to give theirs.
        """
        if time.monotonic() - self._failed_at > 2 * self.heartbeat:
            self.patiently(lambda: optuna.storages.fail_stale_trials(self._study))

    def close(self) -> None:
        """Close the connections of this thread."""
        self._database.remove_session()
