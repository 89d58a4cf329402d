"""The operations that are layers of the table."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, fields
from math import prod
from typing import Any, Final, Literal

from neural_automl.exceptions import excerpt
from neural_automl.layers import find_layer
from neural_automl.nas_operations._operation import NASOperation
from neural_automl.parameters import check_parameters

Size = int | tuple[int, ...]
_AXES: Final = 2
#: The dictionary form of a layer.
Config = dict[str, Any]


def _check_channels(in_ch: int, out_ch: int) -> None:
    for name, value in (("in_ch", in_ch), ("out_ch", out_ch)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"'{name}' must be a positive integer but got {excerpt(value)}")


def _area(kernel_size: Size) -> int:
    return kernel_size**2 if isinstance(kernel_size, int) else prod(kernel_size)


def _projection(in_ch: int, out_ch: int) -> int:
    """Return the parameters of a 1x1 convolution without bias, and BN."""
    return in_ch * out_ch + 2 * out_ch


class OperationOfTable(NASOperation):
    """An operation that is a layer of the table, and has its parameters as fields."""

    def __post_init__(self) -> None:
        row, _ = find_layer(self.name)
        checked = check_parameters(self.name, row.parameters, self.values())
        for name in self.values():
            value = checked[name]
            if isinstance(value, tuple) and len(value) != _AXES:
                raise ValueError(f"'{name}' must have {_AXES} elements but is {value}")
            # In the normal form: 3.0 is 3.
            object.__setattr__(self, name, value)

    def values(self) -> dict[str, Any]:
        """Return the parameters by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}  # type: ignore[arg-type]

    def _config(self, **widths: int) -> Config:
        return {"type": self.name, "params": {**widths, **self.values()}}


class _Widening(OperationOfTable):
    """One whose layer takes the number of filters."""

    def to_layer_config(self, in_ch: int, out_ch: int) -> Config:
        _check_channels(in_ch, out_ch)
        return self._config(filters=out_ch)


class _Pooling(OperationOfTable):
    """One whose layer keeps the width; another width is reached by a 1x1 ``ConvBN`` before it."""

    def to_layer_config(self, in_ch: int, out_ch: int) -> Config:
        _check_channels(in_ch, out_ch)
        if in_ch == out_ch:
            return self._config()
        layers = [ConvBN(kernel_size=1).to_layer_config(in_ch, out_ch), self._config()]
        return {"type": "sequence", "params": {}, "sublayers": layers}

    def get_parameter_count(self, in_ch: int, out_ch: int) -> int:
        _check_channels(in_ch, out_ch)
        projection = 0 if in_ch == out_ch else _projection(in_ch, out_ch)
        return projection + self._of_width(out_ch)

    @abstractmethod
    def _of_width(self, channels: int) -> int:
        """Return the parameters of the layer itself."""


def _named(name: str) -> Any:
    return field(default=name, init=False, repr=False)


@dataclass(frozen=True)
class SkipConnection(OperationOfTable):
    """The identity; to another width, a 1x1 ``ConvBN`` (ReLU, convolution, BN)."""

    name: str = _named("SkipConnection")

    def to_layer_config(self, in_ch: int, out_ch: int) -> Config:
        """Return a ``SkipConnection``, or the projection."""
        _check_channels(in_ch, out_ch)
        if in_ch != out_ch:
            return ConvBN(kernel_size=1).to_layer_config(in_ch, out_ch)
        return self._config()

    def get_parameter_count(self, in_ch: int, out_ch: int) -> int:
        """Return 0; of a projection, ``i o + 2 o``."""
        _check_channels(in_ch, out_ch)
        return 0 if in_ch == out_ch else _projection(in_ch, out_ch)


@dataclass(frozen=True)
class Zero(OperationOfTable):
    """Zeros of the input's shape, or of its shape at a stride; the width stays.

    Args:
        strides: Of both axes.
    """

    strides: int = 1
    name: str = _named("Zero")

    def to_layer_config(self, in_ch: int, out_ch: int) -> Config:
        """Return a ``Zero``.

        Raises:
            ValueError: The widths differ: there is nothing to project.
        """
        _check_channels(in_ch, out_ch)
        if in_ch != out_ch:
            raise ValueError(f"Zero keeps the width but should lead from {in_ch} to {out_ch}")
        return self._config()

    def get_parameter_count(self, in_ch: int, out_ch: int) -> int:
        """Return 0."""
        self.to_layer_config(in_ch, out_ch)
        return 0


@dataclass(frozen=True)
class SepConv(_Widening):
    """Twice ReLU, depthwise and pointwise convolution, BN; the stride in the first.

    Args:
        kernel_size: Of the depthwise convolutions.
        strides: Of the first.

    Source: Liu et al., DARTS, ICLR 2019.
    """

    kernel_size: Size = 3
    strides: Size = 1
    name: str = _named("SepConv")

    def get_parameter_count(self, in_ch: int, out_ch: int) -> int:
        """Return ``2 k^2 i + i (i + 2) + i o + 2 o``."""
        _check_channels(in_ch, out_ch)
        depthwise = 2 * _area(self.kernel_size) * in_ch
        return depthwise + _projection(in_ch, in_ch) + _projection(in_ch, out_ch)


@dataclass(frozen=True)
class DilatedConv(_Widening):
    """ReLU, dilated depthwise and pointwise convolution, BN.

    Args:
        kernel_size: Of the depthwise convolution.
        strides: Above 1 only without dilation.
        dilation_rate: Above 1 only without stride.

    Source: Liu et al., DARTS, ICLR 2019.
    """

    kernel_size: Size = 3
    strides: Size = 1
    dilation_rate: Size = 2
    name: str = _named("DilatedConv")

    def get_parameter_count(self, in_ch: int, out_ch: int) -> int:
        """Return ``k^2 i + i o + 2 o``."""
        _check_channels(in_ch, out_ch)
        return _area(self.kernel_size) * in_ch + _projection(in_ch, out_ch)


@dataclass(frozen=True)
class ConvBN(_Widening):
    """ReLU, convolution without bias, BN.

    Source: Dong and Yang, NAS-Bench-201, ICLR 2020.
    """

    kernel_size: Size = 3
    strides: Size = 1
    name: str = _named("ConvBN")

    def get_parameter_count(self, in_ch: int, out_ch: int) -> int:
        """Return ``k^2 i o + 2 o``."""
        _check_channels(in_ch, out_ch)
        return _area(self.kernel_size) * in_ch * out_ch + 2 * out_ch


@dataclass(frozen=True)
class PoolBN(_Pooling):
    """Pooling, BN; to another width, a 1x1 ``ConvBN`` comes before.

    Args:
        pool: Mean or maximum; the padding counts in neither.
    """

    pool: Literal["avg", "max"] = "avg"
    kernel_size: Size = 3
    strides: Size = 1
    name: str = _named("PoolBN")

    def _of_width(self, channels: int) -> int:
        return 2 * channels


@dataclass(frozen=True)
class SamePool(_Pooling):
    """Pooling without BN, as in NAS-Bench-201; to another width, a 1x1 ``ConvBN`` comes before.

    Args:
        pool: Mean or maximum; the padding counts in neither.
    """

    pool: Literal["avg", "max"] = "avg"
    kernel_size: Size = 3
    strides: Size = 1
    name: str = _named("SamePool")

    def _of_width(self, channels: int) -> int:
        return 0


@dataclass(frozen=True)
class InvertedResidual(_Widening):
    """Widen, depthwise convolution, narrow; added to the input where the shapes are equal.

    Args:
        expand: How many times as wide as the input it is inside; 1 leaves the widening out.
        kernel_size: Of the depthwise convolution.
        strides: Of the depthwise convolution.

    Source: Sandler et al., MobileNetV2, CVPR 2018.
    """

    expand: int = 6
    kernel_size: Size = 3
    strides: Size = 1
    name: str = _named("InvertedResidual")

    def get_parameter_count(self, in_ch: int, out_ch: int) -> int:
        """Return ``[i h + 2 h] + k^2 h + 2 h + h o + 2 o`` with ``h = expand i``."""
        _check_channels(in_ch, out_ch)
        hidden = in_ch * self.expand
        widening = 0 if self.expand == 1 else _projection(in_ch, hidden)
        depthwise = _area(self.kernel_size) * hidden + 2 * hidden
        return widening + depthwise + _projection(hidden, out_ch)


@dataclass(frozen=True)
class FactorizedReduce(_Widening):
    """ReLU, two 1x1 convolutions of stride 2, the second a pixel further, joined; BN.

    Source: Liu et al., DARTS, ICLR 2019.
    """

    name: str = _named("FactorizedReduce")

    def get_parameter_count(self, in_ch: int, out_ch: int) -> int:
        """Return ``i o + 2 o``."""
        _check_channels(in_ch, out_ch)
        return _projection(in_ch, out_ch)
