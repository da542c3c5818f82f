"""The suite that every store must pass. For tests only: nothing in Hypern imports it at run time.

A store's own test module takes it over and says how to open an empty store:

    class TestMyStore(StoreConformance):
        def make_store(self, *, capacity=1000, keep=1000, keep_seconds=60.0):
            return MyStore(capacity=capacity, keep=keep, keep_seconds=keep_seconds)

pytest, which it needs, then runs every method named `test_…`. The first line of each says which promise
of `stores.base.Store` it holds the store to. Times are made up: a store has no clock of its own.
"""

from hypern.stores.conformance.adding import Adding
from hypern.stores.conformance.adding_many import AddingMany
from hypern.stores.conformance.cancelling import Cancelling
from hypern.stores.conformance.claiming import Claiming
from hypern.stores.conformance.delaying import Delaying
from hypern.stores.conformance.expiring import Expiring
from hypern.stores.conformance.finishing import Finishing
from hypern.stores.conformance.keeping import Keeping
from hypern.stores.conformance.marking import Marking
from hypern.stores.conformance.overviewing import Overviewing
from hypern.stores.conformance.pacing import Pacing
from hypern.stores.conformance.queueing import Queueing
from hypern.stores.conformance.racing import Racing
from hypern.stores.conformance.snoozing import Snoozing
from hypern.stores.conformance.steering import Steering
from hypern.stores.conformance.uniqueness import Uniqueness

__all__ = ["StoreConformance"]


class StoreConformance(
    Adding,
    AddingMany,
    Claiming,
    Queueing,
    Delaying,
    Expiring,
    Pacing,
    Finishing,
    Snoozing,
    Cancelling,
    Keeping,
    Uniqueness,
    Racing,
    Marking,
    Overviewing,
    Steering,
):
    """Everything that `stores.base.Store` promises, as tests. Subclasses say `make_store`."""
