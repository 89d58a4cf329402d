"""A module that runs a plan. This file imports torch; nothing loads it before a build."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parameter import is_lazy

from neural_automl._forms import APPLY, Apply, Call, Index, Infix, Input, Promise

if TYPE_CHECKING:
    from neural_automl.backends._plan import Plan

_ROOTS: Final = {"torch": torch, "nn": nn, "F": functional}
_INFIX: Final = {"+": operator.add, "*": operator.mul}

#: Called with a step's module (or None) and its inputs.
Function = Callable[..., Any]


def _resolve(function: str | Function) -> Any:
    if not isinstance(function, str):
        return function
    root, *names = function.split(".")
    return reduce(getattr, names, _ROOTS[root])


def _construct(call: Call, promise: Promise | None) -> nn.Module:
    module: nn.Module = _resolve(call.function)(*call.args, **dict(call.kwargs))
    if promise is not None:
        _check_module(module, promise)
    return module


def _check_module(module: Any, promise: Promise) -> None:
    """Hold a user's module to the number of parameters that it was registered with.

    Raises:
        TypeError: It is no module, or one that learns its sizes from the first batch.
        ValueError: It has more or fewer parameters.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"{promise.where}'pytorch' of {promise.layer} must give a module but gave "
            f"{type(module).__name__}"
        )
    lazy = [name for name, p in module.named_parameters() if is_lazy(p)]
    if lazy:
        raise TypeError(
            f"{promise.where}'pytorch' of {promise.layer} must give a module whose sizes are known "
            f"but '{lazy[0]}' is lazy: take the size from the input's shape"
        )
    count = sum(p.numel() for p in module.parameters() if p.requires_grad)
    if count != promise.params:
        raise ValueError(
            f"{promise.where}'params' of {promise.layer} says {promise.params:,} parameters "
            f"but its module has {count:,}"
        )


def _held_to(promise: Promise) -> Function:
    """Return what calls a user's module and compares the shape that comes out."""

    def function(module: nn.Module, x: Tensor) -> Tensor:
        made: Any = module(x)
        if not isinstance(made, Tensor):
            raise TypeError(
                f"{promise.where}the module of {promise.layer} must return a tensor but returned "
                f"{type(made).__name__}"
            )
        if made.shape[:1] != x.shape[:1]:
            raise ValueError(
                f"{promise.where}the module of {promise.layer} must return as many samples as it "
                f"gets, {len(x)}, but returned the shape {tuple(made.shape)}"
            )
        if tuple(made.shape[1:]) != promise.shape:
            raise ValueError(
                f"{promise.where}'shape' of {promise.layer} says that its module gives "
                f"{promise.shape} but it gives {tuple(made.shape[1:])}, both without the batch"
            )
        return made

    return function


def _compile(form: Any) -> Function:
    """Turn an expression into a function of the step's module and inputs."""
    if isinstance(form, Input):
        index = form.index
        return lambda module, *inputs: inputs[index]
    if isinstance(form, Apply | Call):
        args = [_compile(argument) for argument in form.args]
        kwargs = dict(form.kwargs)
        if isinstance(form, Apply):
            return lambda module, *inputs: module(*(a(module, *inputs) for a in args), **kwargs)
        function = _resolve(form.function)
        return lambda module, *inputs: function(*(a(module, *inputs) for a in args), **kwargs)
    if isinstance(form, Infix):
        apply, left, right = _INFIX[form.operator], _compile(form.left), _compile(form.right)
        return lambda module, *inputs: apply(left(module, *inputs), right(module, *inputs))
    if isinstance(form, Index):
        value, item = _compile(form.value), form.index
        return lambda module, *inputs: value(module, *inputs)[item]
    if isinstance(form, tuple) and any(isinstance(element, Input) for element in form):
        elements = [_compile(element) for element in form]
        return lambda module, *inputs: tuple(element(module, *inputs) for element in elements)
    return lambda module, *inputs: form


#: Modules of the block, name, function (None: just the module), sources and values to free.
Line = tuple[dict[str, nn.Module | None], str, Function | None, tuple[int, ...], tuple[int, ...]]


class GraphModule(nn.Module):
    """An architecture as a PyTorch module.

    Args:
        plan: What to do, in order.
        name: The class name that ``repr`` shows.
    """

    def __init__(self, plan: Plan, name: str = "Network") -> None:
        super().__init__()
        self.plan = plan
        self.name = name
        # All that is in it by now: a user's function may hand out what it gave before.
        seen: set[int] = set()
        for step in plan.steps:
            if step.form.module is not None:
                made = _construct(step.form.module, step.form.promise)
                parts = {id(part) for part in (*made.modules(), *made.parameters())}
                promise = step.form.promise
                if promise is not None and parts & seen:
                    raise ValueError(
                        f"{promise.where}'pytorch' of {promise.layer} must make a "
                        "new module each time but gave one, or a part of it, twice"
                    )
                seen |= parts
                *blocks, name = step.name.split(".")
                _child(self, blocks).add_module(name, made)
        self._program = _program(plan, self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of a batch.

        Args:
            x: ``(batch, channels, height, width)``, ``(batch, length, channels)`` or
                ``(batch, features)``.
        """
        (output,) = self.values(x, (self.plan.output,))
        return output

    def values(self, x: Tensor, wanted: Sequence[int]) -> list[Tensor]:
        """Return results of steps, as they come in the forward pass of a batch.

        Args:
            x: As of ``forward``.
            wanted: Which: 0 is the batch, ``n`` the result of step ``n - 1`` of the plan.
        """
        values: list[Any] = [x]
        for modules, name, function, sources, finished in self._program:
            inputs = [values[source] for source in sources]
            if function is None:
                values.append(modules[name](inputs[0]))  # type: ignore[misc]
            else:
                values.append(function(modules.get(name), *inputs))
            for source in finished:
                if source not in wanted:
                    values[source] = None
        return [values[place] for place in wanted]

    def __getstate__(self) -> dict[str, Any]:
        # The compiled program holds closures, which neither pickle nor need to.
        return {key: value for key, value in self.__dict__.items() if key != "_program"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._program = _program(self.plan, self)

    def _get_name(self) -> str:
        return self.name


def _child(module: nn.Module, names: list[str]) -> nn.Module:
    """Return the module of a block, made the first time."""
    for name in names:
        if name not in module._modules:
            module.add_module(name, nn.Module())
        module = module.get_submodule(name)
    return module


def _program(plan: Plan, model: nn.Module) -> list[Line]:
    last = plan.last_uses()
    program = []
    for index, step in enumerate(plan.steps):
        function = None if step.form.forward == APPLY else _compile(step.form.forward)
        if step.form.promise is not None:
            function = _held_to(step.form.promise)
        finished = tuple(source for source in dict.fromkeys(step.inputs) if last[source] == index)
        *blocks, name = step.name.split(".")
        # By its dictionary, so that a module that is put in another's place is called.
        modules = _child(model, blocks)._modules
        program.append((modules, name, function, step.inputs, finished))
    return program
