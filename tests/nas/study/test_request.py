"""Stored requests of studies."""

from __future__ import annotations

from nas.study.request import StudyRequest
from nas.train.config import TrainConfig, recipe


def test_a_request_of_an_earlier_version_is_read() -> None:
    order = TrainConfig(("mlp:mlp_8",) * 3, "seg20", "data", "mlp", recipe("mlp"), named=2)
    request = StudyRequest("mlp", "uniform", 0, {}, {}, ("nn_mass",), 8, order=order)
    old = request.as_json()
    del old["order"]["named"], old["order"]["named_seeds"]
    assert (
        StudyRequest.of_json({**old, "count": 3, "named": 2})
        == request
        == StudyRequest.of_json(request.as_json())
    )
