"""The command line on a machine whose CPU counts as an accelerator, so that FSDP2 shards there.

Accelerate shards on accelerators only. What it then does is the same on a CPU, over gloo.
"""

from __future__ import annotations

import sys
from typing import Any

from prefdata.training.model.library_output import suppress_output

with suppress_output():
    import accelerate.state as accelerate_state

    from prefdata.cli import main
    from prefdata.training.run import trainer

whole = accelerate_state.PartialState.__init__


def sharding(self: Any, *args: object, **kwargs: object) -> None:  # noqa: ANN401
    """As accelerate's own, but that several processes on a CPU may shard."""
    whole(self, *args, **kwargs)
    kinds = accelerate_state.DistributedType
    if self.distributed_type == kinds.MULTI_CPU:
        self.distributed_type = kinds.MULTI_XPU


def allowed(recipe: object) -> None:  # as the function that it replaces
    """No refusal: here sharding has an effect."""


if __name__ == "__main__":
    accelerate_state.PartialState.__init__ = sharding
    trainer._refuse_idle_sharding = allowed  # noqa: SLF001
    main(sys.argv[1:])
