"""A training's state as bytes and back."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neural_automl.exceptions import CheckpointError
from neural_automl.workers._packing import compress, decompress, pack, unpack

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
KEYS = st.text() | st.integers()
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, TREES, max_size=4))
def test_what_is_packed_comes_back_equal_and_of_the_same_types(state: dict[str, object]) -> None:
    back = unpack(decompress(compress(pack(state))))
    assert back == state
    assert repr(back) == repr(state)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(3, 4),
        torch.tensor(2.5, dtype=torch.float64),
        torch.arange(5),
        torch.tensor([True, False]),
        torch.get_rng_state(),
        torch.randn(4, 4).to(torch.bfloat16),
        torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        torch.randn(3, 4).t(),
        torch.zeros(0, 3),
        torch.randn(3, requires_grad=True),
    ],
    ids=[
        "matrix", "scalar", "integers", "bools", "bytes", "bfloat16", "channels_last",
        "transposed", "empty", "with_gradient",
    ],
)  # fmt: skip
def test_tensors_come_back_bit_for_bit(tensor: torch.Tensor) -> None:
    state = {"of": [{0: tensor}, (tensor,)], "epoch": 3}
    back = unpack(pack(state))
    for found in (back["of"][0][0], back["of"][1][0]):
        assert found.dtype == tensor.dtype
        assert torch.equal(found, tensor.detach())


def test_a_state_is_read_when_it_is_packed() -> None:
    weights = torch.zeros(3)
    content = pack({"weights": weights})
    weights += 1
    assert torch.equal(unpack(content)["weights"], torch.zeros(3))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": object()}, r"state\['a'\] must be made of tensors, .* but is a object"),
        ({"a": [1, {2}]}, r"state\['a'\]\[1\] .* is a set"),
        ({"a": {1.5: 2}}, r"a key in state\['a'\] must be text or an integer but is 1.5"),
        ({True: 2}, "a key in state must be text or an integer but is True"),
    ],
    ids=["object", "set", "float_key", "bool_key"],
)
def test_what_cannot_be_packed_is_named(state: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        pack(state)


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", pack({"a": torch.zeros(9)})[:-3], (2**40).to_bytes(8, "little") + b"{}"],
    ids=["empty", "nonsense", "cut_off", "long_header"],
)
def test_what_is_no_checkpoint_is_refused(content: bytes) -> None:
    with pytest.raises(CheckpointError, match="can't be read"):
        unpack(content)


def test_compressed_bytes_that_are_cut_off_are_refused() -> None:
    with pytest.raises(CheckpointError, match="can't be read"):
        decompress(compress(pack({"a": 1}))[:-2])


def test_a_file_of_somebody_else_is_refused() -> None:
    from safetensors.torch import save

    for metadata in (None, {"state": "[1]"}, {"state": "{"}, {"other": "1"}):
        with pytest.raises(CheckpointError):
            unpack(save({"a": torch.zeros(1)}, metadata=metadata))
