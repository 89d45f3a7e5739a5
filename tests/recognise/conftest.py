import pytest


@pytest.fixture(autouse=True)
def _no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime, which is always there and has no shapes to prepare for; tests of engines are in tests/runtime."""
    monkeypatch.setattr("aplomb.runtime.engines.has_openvino", lambda: False)
