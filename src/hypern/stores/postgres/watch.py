"""Watch: what this process does several times a second because others work on the same tables."""

from __future__ import annotations

import logging
import random
import select
import time
from collections.abc import Callable

import psycopg

from hypern.errors import QueueUnavailable
from hypern.records import Lane
from hypern.stores.durable.hands import Hands
from hypern.stores.durable.rows import lane_number
from hypern.stores.durable.stragglers import Stragglers
from hypern.stores.durable.writer import Writer
from hypern.stores.postgres import looking
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.ledger import PostgresLedger
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.presence import RENEW_EVERY, Presence
from hypern.stores.postgres.trouble import describe

logger = logging.getLogger("hypern.tasks")

# How often to look what others have done, while nobody says so, and while much goes on (seconds).
_POLL_EVERY = 0.4
_POLL_SHARE = 10.0
# While tasks are in hand: how often what is on its way is sent off.
_BUSY_TURN = 0.004
# So long one turn listens for the server's word; the end of an engine waits for it.
_LISTEN = 0.1
# Who has had nothing to do for so long says that he sleeps, and until then looks himself so often.
_DOZE = 0.05
_PEEP_EVERY = 0.005
# Who is woken so often within a second has no sleep, and says so: to wake somebody is dear.
_RESTLESS = 200
# Who does not lead looks after the dead so often (seconds).
_CARE_EVERY = 0.5
# After trouble it is looked again so soon, and each time a little later.
_ASKED = "asked"
_AGAIN, _LONGEST_AGAIN = 0.2, 1.0
# Functions that are not known here are looked for again, less and less often.
_FIRST_SEARCH, _LONGEST_SEARCH = 0.5, 60.0


class Watch:
    """Used by one thread. `care(link)`: what one process of all does for all of them."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        presence: Presence,
        ledger: PostgresLedger,
        hands: Hands,
        care: Callable[[Link], None],
    ) -> None:
        self._database = database
        self._stragglers = Stragglers(writer)
        self._presence = presence
        self._ledger = ledger
        self._hands = hands
        self._care = care
        self._link: Link | None = None
        self._poll = select.poll()
        self._leads = False
        self._is_asleep = False
        self._quiet_since: float | None = None
        self._busy_since: float | None = None
        self._woken, self._woken_since = 0, 0.0
        self._next_poll = self._next_renewal = self._next_search = self._next_care = 0.0
        self._search_after = _FIRST_SEARCH
        self._trouble = 0

    def look(self, steady: float, wall: float) -> float:
        """One turn. When the next one is due."""
        try:
            return self._turn(steady)
        except (psycopg.Error, QueueUnavailable, OSError) as error:
            return self._complain(error, steady)

    def _turn(self, steady: float) -> float:
        link = self._presence.link()
        if link is not self._link:
            self._begin_with(link)
        self._follow_up()
        self._heed(link, self._hears(link, 0.0), steady)
        if steady >= self._next_renewal:
            self._renew(steady)
        if steady >= self._next_poll:
            self._next_poll = steady + _POLL_EVERY
            begin = time.monotonic()
            self._see(link, steady)
            # Where rows that are long gone cannot be cleaned up, it takes its time to see that nothing waits.
            spent = time.monotonic() - begin
            self._next_poll = max(self._next_poll, steady + _POLL_SHARE * spent)
        if self._trouble or self._hands.missed:
            self._trouble = 0
            # Whoever claimed meanwhile was told that there is nothing.
            self._hands.look_again()
        if self._hands.are_busy():
            if self._is_asleep and self._busy_since is not None and steady - self._busy_since > _DOZE:
                self._say_asleep(link, False)
            self._busy_since = steady if self._busy_since is None else self._busy_since
            self._quiet_since = None
            return steady + _BUSY_TURN
        self._busy_since = None
        return self._rest(link, steady)

    def _begin_with(self, link: Link) -> None:
        """A new session: it does not lead, and nobody knows that we sleep."""
        self._link = link
        self._poll = select.poll()
        self._poll.register(link.pgconn.socket, select.POLLIN)
        self._leads = self._is_asleep = False
        self._next_renewal = self._next_poll = 0.0

    def _follow_up(self) -> None:
        """What is only to be done while something goes on."""
        self._stragglers.look()
        self._ledger.mark()
        self._hands.let_go_of_stale()

    def _rest(self, link: Link, steady: float) -> float:
        """Nothing is in hand: say so after a moment, and wait for the server's word."""
        if self._quiet_since is None:
            self._quiet_since = steady
        if not self._database.has_locks:
            # Behind a pool nobody can be told.
            self._tell_ready(link)
            return steady + _LISTEN
        if self._is_asleep or self._presence.id is None:
            self._heed(link, self._hears(link, _LISTEN), steady)
            return steady
        if steady - self._quiet_since < _DOZE:
            self._tell_ready(link)
            return steady + _PEEP_EVERY
        self._say_asleep(link, True)
        # What was added before that could be seen is seen now.
        self._tell_ready(link)
        return steady

    def _say_asleep(self, link: Link, asleep: bool) -> None:
        link.rows(self._database.sql.SLEEP, (asleep, self._presence.id))
        self._is_asleep = asleep
        self._woken = 0

    def _hears(self, link: Link, seconds: float) -> set[str]:
        """What the server has said within so many seconds."""
        if not self._poll.poll(seconds * 1000):
            return set()
        link.pgconn.consume_input()
        heard = set()
        while (notice := link.pgconn.notifies()) is not None:
            heard.add(notice.extra.decode())
        return heard

    def _heed(self, link: Link, heard: set[str], steady: float) -> None:
        if not heard:
            return
        lanes = [lane for lane in Lane if heard & {"", str(lane_number(lane))}]
        for lane in lanes:
            self._hands.reserve(lane).may_have_more = True
        if lanes and self._hands.listener is not None:
            self._hands.listener.on_ready(lanes)
        if heard & {"", _ASKED}:
            self._next_poll = 0.0
        if steady > self._woken_since + 1.0:
            self._woken, self._woken_since = 0, steady
        self._woken += 1
        if self._woken > _RESTLESS and self._is_asleep:
            self._say_asleep(link, False)

    def _renew(self, steady: float) -> None:
        if not self._presence.keep_up():
            self._ledger.forget_claims()
            self._hands.forget_reserves()
        self._next_renewal = steady + RENEW_EVERY * random.uniform(0.8, 1.0)

    def _see(self, link: Link, steady: float) -> None:
        """Tell what others have done, as far as it concerns this process."""
        database, hands, listener = self._database, self._hands, self._hands.listener
        if listener is None:
            return
        database.look_at_clock(link)
        row = link.row(database.sql.HAS_LIMITS)
        database.has_limits = row is not None and bool(row[0])
        self._tell_ready(link)
        due = looking.next_due(link, database)
        if due is not None:
            listener.on_due(due)
        if hands.has_claims() and self._presence.id is not None:
            asked = [task_id for (task_id,) in link.rows(database.sql.ASKED, (self._presence.id,))]
            running = hands.cancel_requested(asked)
            if running:
                listener.on_cancel_requested(running)
        self._lead(link, steady)
        if steady >= self._next_search and hands.forget_unknown():
            self._search_after = min(self._search_after * 2, _LONGEST_SEARCH)
            self._next_search = steady + self._search_after

    def _tell_ready(self, link: Link) -> None:
        database, hands = self._database, self._hands
        ready = [
            lane
            for lane in Lane
            if not hands.reserve(lane).may_have_more and looking.finds_ready(link, database, hands, lane)
        ]
        for lane in ready:
            hands.reserve(lane).may_have_more = True
        if ready and hands.listener is not None:
            hands.listener.on_ready(ready)

    def _lead(self, link: Link, steady: float) -> None:
        """One process of all looks after the dead and the counts; another one when its session is gone. One
        that is stopped, or cut off, keeps its session: so the others do as well, less often."""
        database = self._database
        if database.has_locks and not self._leads:
            self._leads = link.row(database.sql.TRY_LOCK, (database.locks, 0)) == (True,)
        if self._leads or not database.has_locks or steady >= self._next_care:
            self._next_care = steady + _CARE_EVERY * random.uniform(0.8, 1.2)
            self._care(link)

    def _complain(self, error: Exception, steady: float) -> float:
        if not self._trouble:
            said = describe(error) if isinstance(error, psycopg.Error) else str(error)
            logger.error("the task store is in trouble, and is tried again until it is not: %s", said)
        self._trouble += 1
        self._next_renewal = self._next_poll = 0.0
        pause = min(_AGAIN * self._trouble, _LONGEST_AGAIN)
        return steady + pause * random.uniform(0.5, 1.5)
