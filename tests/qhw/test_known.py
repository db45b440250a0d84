from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from pathlib import Path

import pytest

from qhw.config import BackendConfig
from qhw.errors import BackendUnavailableError, UnknownNameError
from qhw.known import (
    BACKEND_NAMES,
    LIVE_DEVICES,
    RETIRED_DEVICES,
    DeviceName,
    has_credentials,
    not_in_account,
    refuse_not_there,
    refuse_unknown,
    stand_in_configurations,
    stand_in_device,
    stand_in_names,
    stand_in_qubits,
)


@pytest.mark.parametrize("name", BACKEND_NAMES)
def test_a_simulator_takes_no_jobs_and_keeps_its_name(name: str) -> None:
    device = DeviceName(name)
    assert not (device.live or device.stand_in or device.takes_jobs or device.retired)
    assert device.local == device.short == name
    assert not BackendConfig(name=name).takes_jobs


@pytest.mark.parametrize("name", LIVE_DEVICES)
def test_a_live_device_has_a_stand_in_of_its_short_name(name: str) -> None:
    device = DeviceName(name)
    assert device.live and device.takes_jobs and not device.stand_in and not device.retired
    assert device.local == f"fake_{device.short}" == name.replace("ibm_", "fake_")
    assert device.local in stand_in_names()
    assert BackendConfig(name=name).takes_jobs


@pytest.mark.parametrize("short", RETIRED_DEVICES)
def test_a_retired_device_is_refused_and_its_last_noise_named(short: str) -> None:
    assert DeviceName(f"ibm_{short}").retired and not DeviceName(f"fake_{short}").retired
    with pytest.raises(BackendUnavailableError, match=f"retired.*\n.*snapshot fake_{short}"):
        refuse_not_there(f"ibm_{short}")


def test_every_stand_in_takes_jobs_and_is_its_own_local_device() -> None:
    for name in map(DeviceName, stand_in_names()):
        assert name.stand_in and name.takes_jobs and not name.live
        assert name.local == name == f"fake_{name.short}"


def test_names_are_plain_strings_wherever_they_are_kept() -> None:
    name = DeviceName("ibm_fez")
    assert json.dumps({name: name}) == '{"ibm_fez": "ibm_fez"}'
    assert name == "ibm_fez" and hash(name) == hash("ibm_fez")
    assert type(BackendConfig(name=name).model_dump(mode="json")["name"]) is str


def test_names_are_those_of_the_vendors_classes() -> None:
    from qiskit_ibm_runtime.fake_provider import backends

    named = set()
    for info in pkgutil.iter_modules(backends.__path__):
        package = importlib.import_module(f"{backends.__name__}.{info.name}")
        for _, value in inspect.getmembers(package, inspect.isclass):
            name = getattr(value, "backend_name", None)
            if isinstance(name, str) and value.__module__.startswith(package.__name__):
                named.add(name)
    assert stand_in_names() == sorted(named)


@pytest.mark.filterwarnings("ignore:Properties of fake_nighthawk are not intended")
@pytest.mark.slow  # opens every snapshot of the vendor's
def test_widths_and_couplings_are_the_vendors() -> None:
    configurations = stand_in_configurations()
    assert [f"fake_{short}" for short in configurations] == stand_in_names()
    for name in stand_in_names():
        device = stand_in_device(name)
        assert device.name == name
        assert device.num_qubits == stand_in_qubits(name)
        couplings = {
            tuple(pair) for pair in configurations[DeviceName(name).short]["coupling_map"] or ()
        }
        assert {frozenset(pair) for pair in device.coupling_map or ()} <= {
            frozenset(pair) for pair in couplings
        }


def test_an_unknown_stand_in_is_refused_with_the_nearest() -> None:
    for refuse in (refuse_not_there, stand_in_device, refuse_unknown):
        with pytest.raises(UnknownNameError, match="fake_fez"):
            refuse("fake_fezz")
    with pytest.raises(UnknownNameError, match="fake_brisbane"):
        refuse_unknown("aer_noisy", "fake_brisban")
    refuse_unknown("aer_noisy", None)


class TestWithoutAnAccount:
    @pytest.fixture(autouse=True)
    def _nobody(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("ibm_fez", "needs an account.*\n.*`--backend fake_fez`"),
            ("ibm_nowhere", "needs an account.*\n.*`--backend aer_noisy`"),
            ("ibm_kyiv", "is retired.*\n.*`--backend fake_kyiv`, or a live device"),
        ],
    )
    def test_a_live_device_is_refused_with_what_to_take(self, name: str, words: str) -> None:
        with pytest.raises(BackendUnavailableError, match=words):
            refuse_unknown(name)

    def test_an_account_file_with_a_token_counts(self, tmp_path: Path) -> None:
        assert not has_credentials()
        path = tmp_path / ".qiskit" / "qiskit-ibm.json"
        path.parent.mkdir()
        path.write_text("no json")
        assert not has_credentials()
        path.write_text(json.dumps({"default": {"token": "t"}}))
        assert has_credentials()
        refuse_unknown("ibm_anything")


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("ibm_kyiv", "'ibm_kyiv' is retired.", "a, b. Its last noise: `--backend fake_kyiv`."),
        ("ibm_fez", "'ibm_fez' is none of this account's.", "`--backend fake_fez`."),
        ("ibm_nowhere", "'ibm_nowhere' is none of this account's.", "this account: a, b."),
    ],
)
def test_an_account_that_does_not_see_a_device(name: str, message: str, hint: str) -> None:
    error = not_in_account(name, ["a", "b"])
    assert error.message.endswith(message) and error.hint.endswith(hint)
    assert "account: none." in not_in_account(name, []).hint
