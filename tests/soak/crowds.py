"""All users at once, each in a thread of its own, until the time is over or one sees a fault."""

import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tests.soak.mailboxes import Mailbox
from tests.soak.places import Place
from tests.soak.replies import Caller, Tally, secret_free, sender
from tests.soak.users import Admin, People, User

_VICTIMS = 3
LONGEST_PAUSE = 0.4
"""Between two things that one user does, in seconds."""


class SoakError(Exception):
    """The soak found something. As many lines as it takes to tell."""


@dataclass(slots=True)
class Crowd:
    """Users with their callers. The first of them is the admin."""

    seed: int
    users: list[User] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)

    @classmethod
    def gather(cls, place: Place, count: int, seed: int) -> "Crowd":
        """As many as that, none of whom has done anything but the admin."""
        crowd, people = cls(seed), People()
        target = place.target
        mailbox = None if target.mails_at is None else Mailbox(target.mails_at)
        for number in range(count):
            random = Random(f"{seed}/{number}")  # noqa: S311 - a seed is a walk
            caller = Caller(sender(target, f"203.0.113.{number % 254 + 1}"), Tally(), random)
            crowd.callers.append(caller)
            name = f"soak-{number}"
            if number:
                crowd.users.append(User(name, caller, random, people, mailbox))
                continue
            admin = Admin(name, caller, random, people, mailbox)
            victims = [
                User(f"{name}-victim-{which}", caller, random, people, mailbox)
                for which in range(_VICTIMS)
            ]
            admin.take_office(victims, place.promote)
            crowd.users.append(admin)
        return crowd

    def walk(self, seconds: float, arriving: float = 0.0) -> Tally:
        """Let everybody do what they do for so long; what they were answered.

        They come one after the other, within the first `arriving` seconds.

        Raises:
            SoakError: somebody was answered what may not be.
        """
        tally, stop, found = Tally(), threading.Event(), list[str]()
        deadline = time.monotonic() + seconds

        def one(user: User, caller: Caller) -> None:
            pause = Random(user.name)  # noqa: S311 - it paces
            try:
                stop.wait(pause.uniform(0, arriving))
                while time.monotonic() < deadline and not stop.wait(
                    pause.uniform(0, LONGEST_PAUSE)
                ):
                    user.step()
            except Exception as error:  # noqa: BLE001 - whatever it is ends the soak, and is told
                stop.set()
                found.append(self._told(user, caller, error))

        threads = []
        for user, caller in zip(self.users, self.callers, strict=True):
            caller.tally = tally
            threads.append(threading.Thread(target=one, args=(user, caller), name=user.name))
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:
            stop.set()
        if found:
            raise SoakError("\n".join(found))
        return tally

    def _told(self, user: User, caller: Caller, error: Exception) -> str:
        lines: Sequence[str] = [
            f"seed {self.seed}, {user.name}: {secret_free(str(error)) or type(error).__name__}",
            f"at {traceback.extract_tb(error.__traceback__)[-1].name} of "
            + " < ".join(frame.name for frame in traceback.extract_tb(error.__traceback__)),
            "what they did, the last of it last:",
            *(f"  {line}" for line in caller.history),
        ]
        return "\n".join(lines)
