from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from neural_automl.evaluation import _device
from neural_automl.evaluation._batches import TensorBatches
from neural_automl.evaluation._sources import _fits
from neural_automl.exceptions import OutOfMemoryError

CPU = torch.device("cpu")
Machine = Callable[[int, bool], None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Let torch see another machine: so many CUDA devices, and MPS or none."""

    def build(cuda: int, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return build


@pytest.mark.parametrize(
    ("cuda", "mps", "name", "chosen"),
    [
        pytest.param(1, True, "auto", "cuda", id="cuda first"),
        pytest.param(0, True, "auto", "mps", id="then mps"),
        pytest.param(0, False, "auto", "cpu", id="then cpu"),
        pytest.param(1, True, "cpu", "cpu", id="cpu by name"),
        pytest.param(1, True, "mps", "mps", id="mps by name"),
        pytest.param(2, False, "cuda:1", "cuda:1", id="the second cuda"),
    ],
)
def test_a_device_is_chosen(machine: Machine, cuda: int, mps: bool, name: str, chosen: str) -> None:
    machine(cuda, mps)
    assert str(_device.choose_device(name)) == chosen


@pytest.mark.parametrize("name", ["cuda", "cuda:2", "mps", "tpu", "gpu", "cpu:-3", ""])
def test_a_device_that_is_not_there_is_refused(machine: Machine, name: str) -> None:
    machine(2 if name == "cuda:2" else 0, False)
    with pytest.raises(ValueError, match=f"the device '{name}' is not available here; use 'auto'"):
        _device.choose_device(name)


def test_seeding_repeats_and_leaves_the_callers_numbers_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    drawn = []
    for _ in range(2):
        with _device.seeded(5, CPU):
            drawn.append(torch.rand(3))
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(torch.rand(3), expected)


def test_the_callers_numbers_are_put_back_after_an_error() -> None:
    def draw_and_fail() -> None:
        with _device.seeded(5, CPU):
            torch.rand(3)
            raise KeyError

    before = torch.get_rng_state()
    with pytest.raises(KeyError):
        draw_and_fail()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("threads", [None, 2])
def test_threads_are_limited_and_put_back(threads: int | None) -> None:
    before = torch.get_num_threads()
    with _device.limited_threads(threads):
        assert torch.get_num_threads() == (threads or before)
    assert torch.get_num_threads() == before
    with pytest.raises(KeyError), _device.limited_threads(threads):
        raise KeyError
    assert torch.get_num_threads() == before


def allocate_too_much() -> None:
    torch.empty(2**50)


def raise_memory_error() -> None:
    raise MemoryError


def raise_out_of_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")


def raise_mps() -> None:
    raise RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)")


@pytest.mark.parametrize(
    ("run", "message"),
    [
        pytest.param(allocate_too_much, "on cpu: .*can't allocate memory", id="cpu, really"),
        pytest.param(raise_memory_error, "on cpu: no memory$", id="python"),
        pytest.param(raise_out_of_memory, "on cpu: CUDA out of memory.*2 GiB.$", id="cuda"),
        pytest.param(raise_mps, "on cpu: MPS backend out of memory", id="mps"),
    ],
)
def test_all_ways_to_run_out_of_memory_are_one_error(run: Callable[[], None], message: str) -> None:
    with pytest.raises(OutOfMemoryError, match=message) as caught:
        _device.guard_memory(run, CPU)
    assert caught.value.__context__ is None  # its traceback would keep the network in memory


def test_other_errors_pass_through_the_memory_guard() -> None:
    def run() -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        _device.guard_memory(run, CPU)
    assert _device.guard_memory(lambda: 5, CPU) == 5


@pytest.mark.parametrize(
    ("device", "free", "fits"),
    [
        pytest.param("cpu", 0, True, id="the cpu has it already"),
        pytest.param("mps", 0, True, id="mps shares the cpu's memory"),
        pytest.param("cuda", 8000, True, id="half of the memory"),
        pytest.param("cuda", 7999, False, id="more than half"),
    ],
)
def test_data_lies_on_the_device_when_half_of_its_memory_is_enough(
    monkeypatch: pytest.MonkeyPatch, device: str, free: int, fits: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**9))
    assert _fits(torch.zeros(1000), torch.device(device)) is fits


def test_data_that_does_not_fit_goes_to_the_device_batch_by_batch() -> None:
    # The meta device stands in for an accelerator: it is another device, without content.
    batches = TensorBatches(torch.zeros(5, 2), torch.zeros(5), torch.device("meta"))
    assert batches.x.device.type == "cpu"
    for x, y in (*batches.training(2, torch.Generator()), *batches.whole(2)):
        assert x.device.type == y.device.type == "meta"


def test_what_no_memory_can_hold_is_refused_before_it_is_asked_for() -> None:
    with pytest.raises(OutOfMemoryError, match=r"needs at least 1048576\.0 GiB of"):
        _device.check_memory(2**50, CPU)


def test_what_fits_is_not_refused() -> None:
    _device.check_memory(2**20, CPU)
