"""A user as a state machine: what they do by chance, and what each answer has to be.

Whoever walks here is alone with their accounts, so that the model is exact: after an answer, one
state is possible. Only where an earlier try was answered 503 may it have been done or not; then
the user starts anew with whatever password is right (`_start_over`).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.soak.mailboxes import Mailbox
from tests.soak.replies import Caller, Reply, WrongAnswerError, as_json

MOST_SESSIONS = 8
MOST_WRONG_PASSWORDS = 10
"""Half of what is allowed in ten minutes: nobody here is to be held up for it."""
MOST_MAILS = 2
"""Of one kind for one account: fewer than the five that one may ask for in an hour."""
GRACE_SECONDS = 9.0
"""A second less than a spent refresh token's grace."""
_SOON = 60.0
"""Who has so many seconds left with an access token refreshes it first."""

_ENDED_CODES = {"token_invalid", "token_revoked", "token_expired"}


@dataclass(slots=True)
class Sitting:
    """A session as its holder knows it."""

    session_id: str
    access: str
    refresh: str
    lasts_until: float


@dataclass(slots=True)
class Account:
    """What the model knows of an account."""

    public_id: str
    email: str
    username: str
    password: str
    metadata: Any = field(default_factory=dict)
    verified: bool = False
    admin: bool = False
    disabled: bool = False
    pending_email: str | None = None
    sittings: dict[str, Sitting] = field(default_factory=dict)
    dead: list[Sitting] = field(default_factory=list)
    wrong_passwords: int = 0
    mails: int = 0

    def end(self, *session_ids: str) -> None:
        """These sessions are over."""
        self.dead += [self.sittings.pop(session_id) for session_id in session_ids]
        del self.dead[:-20]

    def end_all(self) -> None:
        """Every session is over."""
        self.end(*self.sittings)


class People:
    """Who has been seen by anybody: for looking at each other."""

    def __init__(self) -> None:
        self.public_ids: list[str] = []
        self.taken_username: str | None = None
        """Of somebody who stays, under that name."""

    def add(self, public_id: str) -> None:
        """Somebody has registered."""
        self.public_ids.append(public_id)


class User:
    """Somebody who uses the API by chance, one request after the other."""

    def __init__(
        self, name: str, caller: Caller, random: Random, people: People, mailbox: Mailbox | None
    ) -> None:
        self.name = name
        self.account: Account | None = None
        self._caller = caller
        self._random = random
        self._people = people
        self._mailbox = mailbox
        self._made = 0
        self._gone: Account | None = None

    def step(self) -> None:
        """Do something that is possible now, and see that its answer is right.

        Raises:
            WrongAnswerError: it is not.
        """
        if self.account is None:
            self.register()
            return
        if not self.account.sittings:
            self.log_in()
            return
        names, weights = zip(*self._choices().items(), strict=True)
        (chosen,) = self._random.choices(names, weights)
        chosen()

    def _choices(self) -> Mapping[Callable[[], None], int]:
        account = self._own
        choices = {
            self.look: 12,
            self.look_with_a_dead_token: 6,
            self.look_at_somebody: 5,
            self.look_without_a_right: 3,
            self.list_sessions: 6,
            self.refresh: 6,
            self.refresh_twice: 2,
            self.log_out: 3,
            self.end_a_session: 2,
            self.end_somebody_elses_session: 1,
            self.end_all_sessions: 1,
            self.change_password: 2,
            self.rename: 3,
            self.write_metadata: 5,
            self.look_at_everything: 2,
            self.register_what_is_taken: 1,
            self.close: 1,
        }
        if len(account.sittings) < MOST_SESSIONS:
            choices[self.log_in] = 8
        if account.wrong_passwords < MOST_WRONG_PASSWORDS:
            choices |= {self.log_in_wrongly: 2, self.change_password_wrongly: 1}
        if self._mailbox is not None and account.mails < MOST_MAILS:
            choices |= {self.change_email: 1, self.reset_password: 1}
            if not account.verified:
                choices[self.verify_email] = 2
        return choices

    # Accounts.

    def register(self) -> None:
        """Open an account; now and then with the names of the one that was closed."""
        former, self._gone = self._gone, None
        if former is not None and self._random.random() < 0.5:
            email, username = former.email, former.username
        else:
            self._made += 1
            email = f"{self.name}-{self._made}@example.com"
            username = f"{self.name}-{self._made}"
        password = self._password()
        given = {"email": email, "username": username, "password": password}
        reply = self._caller.ask("register", "POST", "/user", given)
        if reply.unsure and reply.status == 409:
            reply = self._logged_in(email, password)
        else:
            self._expect(reply, 201)
        sitting = self._opened(reply.body)
        me = self._ask("look", "GET", "/user/me", token=sitting.access)
        self._expect(me, 200)
        self.account = Account(me.body["public_id"], email, username, password)
        self.account.mails = MOST_MAILS if former is not None and former.email == email else 0
        self.account.sittings[sitting.session_id] = sitting
        self._judge_me(me)
        self._people.add(self.account.public_id)

    def register_what_is_taken(self) -> None:
        """Nobody gets an address twice, in whatever spelling."""
        given = {
            "email": self._own.email.upper(),
            "username": f"{self.name}-twice",
            "password": self._password(),
        }
        reply = self._caller.ask("register, taken", "POST", "/user", given)
        self._expect(reply, 409, code="email_taken")

    def close(self) -> None:
        """Close the account: nothing of it works from now on."""
        account, sitting = self._own, self._sitting()
        given = {"current_password": account.password}
        reply = self._ask("close", "DELETE", "/user/me", given, sitting.access)
        self._expect(reply, 200, *([401] if reply.unsure else []))
        account.end_all()
        self._is_dead(self._random.choice(account.dead))
        credentials = {"username": account.username, "password": account.password}
        again = self._caller.ask("log in, closed", "POST", "/auth/login", credentials)
        self._expect(again, 401, code="wrong_credentials")
        self.account, self._gone = None, account

    def look(self) -> None:
        """My own data are mine, and what was written is what is read."""
        self._judge_me(self._ask("look", "GET", "/user/me", token=self._sitting().access))

    def look_at_somebody(self) -> None:
        """Anybody sees a username, and nothing else of others."""
        public_id = self._random.choice(self._people.public_ids)
        reply = self._ask(
            "look at somebody", "GET", f"/user/{public_id}", token=self._sitting().access
        )
        if public_id == self._own.public_id:
            self._judge_me(reply)
        elif reply.status != 404:
            self._expect(reply, 200)
            self._judge("public_id", reply.body["public_id"], public_id)
            if not self._own.admin:
                self._judge("shown", sorted(reply.body), ["public_id", "registered_on", "username"])

    def look_without_a_right(self) -> None:
        """What takes an admin is refused, and so is changing somebody else."""
        token = self._sitting().access
        others = [one for one in self._people.public_ids if one != self._own.public_id]
        if self._own.admin or not others:
            return
        reply = self._ask("list users, not allowed", "GET", "/user", token=token)
        self._expect(reply, 403, code="not_allowed")
        path = f"/user/{self._random.choice(others)}"
        reply = self._ask("change somebody, not allowed", "PATCH", path, {"metadata": {}}, token)
        self._expect(reply, 403, code="not_allowed")

    def rename(self) -> None:
        """Take another username, or try one that is taken."""
        token = self._sitting().access
        if self._people.taken_username is not None and self._random.random() < 0.3:
            wanted = {"username": self._people.taken_username.upper()}
            reply = self._ask("rename, taken", "PATCH", "/user/me", wanted, token)
            self._expect(reply, 409, code="username_taken")
            return
        self._made += 1
        wanted = {"username": f"{self.name}-{self._made}"}
        reply = self._ask("rename", "PATCH", "/user/me", wanted, token)
        self._own.username = wanted["username"]
        self._judge_me(reply)

    def write_metadata(self) -> None:
        """Write metadata, which are read from then on."""
        wanted = {"at": self._random.random(), "text": "å" * self._random.randrange(200)}
        reply = self._ask(
            "write metadata", "PATCH", "/user/me", {"metadata": wanted}, self._sitting().access
        )
        self._own.metadata = wanted
        self._judge_me(reply)

    def look_at_everything(self) -> None:
        """The export and the activity are the caller's own."""
        token = self._sitting().access
        export = self._ask("export", "GET", "/user/me/export", token=token)
        self._expect(export, 200)
        if self._own.public_id not in as_json(export.body):
            raise WrongAnswerError("the export is somebody else's")
        activity = self._ask("activity", "GET", "/user/me/activity", token=token)
        self._expect(activity, 200)
        times = [event["at"] for event in activity.body["data"]]
        self._judge("order", times, sorted(times, reverse=True))
        if not times:
            raise WrongAnswerError("an account to which nothing has happened")

    # Sessions.

    def log_in(self) -> None:
        """Open another session."""
        self._adopt(self._logged_in(self._own.email, self._own.password, self._own.username))

    def log_in_wrongly(self) -> None:
        """A wrong password lets nobody in."""
        self._own.wrong_passwords += 1
        given = {"email": self._own.email, "password": f"not {self._own.password}"}
        reply = self._caller.ask("log in, wrong", "POST", "/auth/login", given)
        self._expect(reply, 401, code="wrong_credentials")

    def refresh(self) -> None:
        """Take new tokens; the older access token lives on."""
        sitting = self._sitting()
        older = sitting.access
        if self._refreshed(sitting) and self._random.random() < 0.5:
            self._judge_me(self._ask("look, older token", "GET", "/user/me", token=older))

    def refresh_twice(self) -> None:
        """A spent refresh token gets the tokens that followed it, if it is not too late."""
        sitting = self._sitting()
        spent, began = sitting.refresh, time.monotonic()
        if not self._refreshed(sitting):
            return
        given = {"refresh_token": spent}
        reply = self._caller.ask("refresh, spent", "POST", "/auth/refresh", given)
        in_time = time.monotonic() - began < GRACE_SECONDS
        if reply.status == 401 and not in_time:
            self._own.end(sitting.session_id)
            return
        self._expect(reply, 200)
        self._judge("refresh token", reply.body["refresh_token"], sitting.refresh)
        sitting.access = reply.body["Authorization"]

    def look_with_a_dead_token(self) -> None:
        """What is over works nowhere."""
        if self._own.dead:
            self._is_dead(self._random.choice(self._own.dead))
        else:
            reply = self._caller.ask("look, no token", "GET", "/user/me")
            self._expect(reply, 401, code="token_missing")

    def list_sessions(self) -> None:
        """Exactly the sessions that are open, the caller's among them."""
        sitting = self._sitting()
        reply = self._ask("list sessions", "GET", "/auth/sessions", token=sitting.access)
        self._expect(reply, 200)
        listed = {one["session_id"]: one["current"] for one in reply.body["data"]}
        own = {session_id: session_id == sitting.session_id for session_id in self._own.sittings}
        self._judge("sessions", listed, own)

    def log_out(self) -> None:
        """End the session: its tokens are dead from the next request on."""
        sitting = self._sitting()
        reply = self._ask("log out", "POST", "/auth/logout", token=sitting.access)
        self._expect(reply, 200, *([401] if reply.unsure else []))
        self._own.end(sitting.session_id)
        self._is_dead(sitting)

    def end_a_session(self) -> None:
        """End any session of one's own."""
        sitting, ended = self._sitting(), self._random.choice(list(self._own.sittings.values()))
        path = f"/auth/sessions/{ended.session_id}"
        reply = self._ask("end a session", "DELETE", path, token=sitting.access)
        self._expect(reply, 200, *([401, 404] if reply.unsure else []))
        self._own.end(ended.session_id)
        self._is_dead(ended)

    def end_somebody_elses_session(self) -> None:
        """Nobody ends a session that is over or another's."""
        path = f"/auth/sessions/{self._random.choice(self._people.public_ids)}"
        reply = self._ask("end a session, none", "DELETE", path, token=self._sitting().access)
        self._expect(reply, 404, code="session_not_found")

    def end_all_sessions(self) -> None:
        """End every session."""
        reply = self._ask(
            "end all sessions", "DELETE", "/auth/sessions", token=self._sitting().access
        )
        self._expect(reply, 200, *([401] if reply.unsure else []))
        self._own.end_all()
        self._is_dead(self._random.choice(self._own.dead))

    # Passwords and addresses.

    def change_password(self) -> None:
        """Change it: every other token is dead."""
        account, sitting, new = self._own, self._sitting(), self._password()
        given = {"current_password": account.password, "new_password": new}
        path = "/auth/password/change"
        reply = self._ask("change password", "POST", path, given, sitting.access)
        if reply.unsure and not reply.ok:
            self._start_over(account.password, new)
            return
        self._expect(reply, 200)
        account.end_all()
        account.password = new
        self._adopt(reply)
        self._is_dead(sitting)

    def change_password_wrongly(self) -> None:
        """A wrong password changes nothing, and is no logout."""
        self._own.wrong_passwords += 1
        given = {
            "current_password": f"not {self._own.password}",
            "new_password": self._password(),
        }
        path, token = "/auth/password/change", self._sitting().access
        reply = self._ask("change password, wrong", "POST", path, given, token)
        self._expect(reply, 403, code="wrong_password")

    def verify_email(self) -> None:
        """Follow the link that came with the registration, once."""
        account = self._own
        account.mails += 1
        token = self._mailed(account.email, "/email/verify")
        reply = self._follow("verify email", "/auth/email/verify", {"token": token})
        if reply.ok or reply.unsure:
            account.verified = True
        self._expect(reply, 200, *([400] if reply.unsure else []))
        again = self._follow("verify email, spent", "/auth/email/verify", {"token": token})
        self._expect(again, 400, code="token_invalid")

    def change_email(self) -> None:
        """Wish for another address, and follow the link there: every session ends."""
        account, sitting = self._own, self._sitting()
        account.mails += 1
        self._made += 1
        wanted = f"{self.name}-{self._made}@example.com"
        given = {"email": wanted, "current_password": account.password}
        reply = self._ask("change email", "PATCH", "/user/me", given, sitting.access)
        account.pending_email = wanted
        self._judge_me(reply)
        token = self._mailed(wanted, "/email/confirm")
        reply = self._follow("confirm email", "/auth/email/verify", {"token": token})
        self._expect(reply, 200, *([400] if reply.unsure else []))
        account.email, account.pending_email, account.verified = wanted, None, True
        account.end_all()
        self._is_dead(sitting)

    def reset_password(self) -> None:
        """Forget the password, and choose another one by mail: every session ends."""
        account, sitting = self._own, self._sitting()
        account.mails += 1
        given = {"email": account.email}
        reply = self._caller.ask("forgot password", "POST", "/auth/password/forgot", given)
        self._expect(reply, 202)
        token, new = self._mailed(account.email, "/password/reset"), self._password()
        given = {"token": token, "new_password": new}
        reply = self._follow("reset password", "/auth/password/reset", given)
        if reply.unsure and not reply.ok:
            self._start_over(account.password, new)
            account.verified = account.verified or account.password == new
            return
        self._expect(reply, 200)
        account.password, account.verified = new, True
        account.end_all()
        self._is_dead(sitting)

    # How it is asked and judged.

    @property
    def _own(self) -> Account:
        if self.account is None:
            raise LookupError("there is no account")
        return self.account

    def _ask(
        self, operation: str, method: str, path: str, body: Any = None, token: str | None = None
    ) -> Reply:
        return self._caller.ask(operation, method, path, body, token)

    def _follow(self, operation: str, path: str, given: dict[str, str]) -> Reply:
        return self._caller.ask(operation, "POST", path, given)

    def _password(self) -> str:
        return f"soak {self._random.getrandbits(64):016x}"

    def _sitting(self) -> Sitting:
        """Any open session, with an access token that lasts."""
        sitting = self._random.choice(list(self._own.sittings.values()))
        soon = sitting.lasts_until - time.monotonic() < _SOON
        if not soon or self._refreshed(sitting):
            return sitting
        self.log_in()
        return list(self._own.sittings.values())[-1]

    def _logged_in(self, email: str, password: str, username: str | None = None) -> Reply:
        given = {"email": email, "password": password}
        if username is not None and self._random.random() < 0.5:
            given = {"username": username.upper(), "password": password}
        reply = self._caller.ask("log in", "POST", "/auth/login", given)
        self._expect(reply, 200)
        if reply.unsure:
            # A try before may have opened a session that nobody knows of.
            token = reply.body["Authorization"]
            self._expect(
                self._ask("end all sessions", "DELETE", "/auth/sessions", token=token), 200, 401
            )
            if self.account is not None:
                self.account.end_all()
            return self._logged_in(email, password)
        return reply

    def _refreshed(self, sitting: Sitting) -> bool:
        """Refresh; whether the session is still there, of which only a lost answer is a doubt."""
        given = {"refresh_token": sitting.refresh}
        reply = self._caller.ask("refresh", "POST", "/auth/refresh", given)
        if reply.unsure and reply.status == 401:
            self._own.end(sitting.session_id)
            return False
        self._expect(reply, 200)
        self._judge("session", reply.body["session_id"], sitting.session_id)
        if reply.body["refresh_token"] == sitting.refresh:
            raise WrongAnswerError("a refresh gave the refresh token that it spent")
        renewed = self._opened(reply.body)
        sitting.access, sitting.refresh = renewed.access, renewed.refresh
        sitting.lasts_until = renewed.lasts_until
        return True

    def _opened(self, token_set: Any) -> Sitting:
        return Sitting(
            token_set["session_id"],
            token_set["Authorization"],
            token_set["refresh_token"],
            time.monotonic() + token_set["expires_in"],
        )

    def _adopt(self, reply: Reply) -> None:
        sitting = self._opened(reply.body)
        if sitting.session_id in self._own.sittings:
            raise WrongAnswerError("a login gave a session that was open before")
        self._own.sittings[sitting.session_id] = sitting

    def _start_over(self, *passwords: str) -> None:
        """Nobody knows whether it was done: one of these passwords is right, and one only."""
        account = self._own
        account.end_all()
        right = []
        for password in passwords:
            given = {"email": account.email, "password": password}
            reply = self._caller.ask("log in, unsure", "POST", "/auth/login", given)
            self._expect(reply, 200, 401)
            if reply.ok:
                right.append((password, reply))
        if len(right) != 1:
            raise WrongAnswerError(f"{len(right)} of {len(passwords)} passwords are right")
        ((account.password, reply),) = right
        token = reply.body["Authorization"]
        self._expect(
            self._ask("end all sessions", "DELETE", "/auth/sessions", token=token), 200, 401
        )
        self.log_in()

    def _is_dead(self, sitting: Sitting) -> None:
        """A session that is over is refused at the next request, at every door."""
        reply = self._ask("look, dead token", "GET", "/user/me", token=sitting.access)
        self._expect(reply, 401, code="token_invalid")
        if self._random.random() < 0.3:
            reply = self._ask("log out, dead token", "POST", "/auth/logout", token=sitting.access)
            self._expect(reply, 401)
            if reply.code not in _ENDED_CODES:
                raise WrongAnswerError(f"logout of a dead token: {reply.code}")
        if self._random.random() < 0.3:
            given = {"refresh_token": sitting.refresh}
            reply = self._caller.ask("refresh, dead", "POST", "/auth/refresh", given)
            self._expect(reply, 401, code="refresh_token_invalid")

    def _mailed(self, address: str, page: str) -> str:
        if self._mailbox is None:
            raise LookupError("there is no mailbox")
        return self._mailbox.token(address, page)

    def _judge_me(self, reply: Reply) -> None:
        """Exactly what the model knows of the account."""
        self._expect(reply, 200)
        account, shown = self._own, dict(reply.body)
        shown.pop("registered_on")
        known = {
            "public_id": account.public_id,
            "username": account.username,
            "email": account.email,
            "email_verified": account.verified,
            "admin": account.admin,
            "disabled": account.disabled,
            "metadata": account.metadata,
            "password_change_required": False,
        }
        if account.pending_email is not None:
            known["pending_email"] = account.pending_email
        self._judge("the user", shown, known)

    def _judge(self, what: str, found: Any, known: Any) -> None:
        if as_json(found) != as_json(known):
            raise WrongAnswerError(f"{what}: {found}, and it has to be {known}")

    def _expect(self, reply: Reply, *statuses: int, code: str | None = None) -> None:
        if reply.status not in statuses or (code is not None and reply.code != code):
            raise WrongAnswerError(
                f"{reply.status} {reply.code}, and it has to be {statuses} {code or ''}"
            )


class Admin(User):
    """Somebody who also looks after others: accounts that they opened to try this on."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._victims: list[User] = []

    def take_office(self, victims: list[User], promote: Callable[[str], None]) -> None:
        """Register, and be made an admin by the operator. Whoever is an admin stays."""
        self.register()
        promote(self._own.email)
        self._own.admin = True
        self._people.taken_username = self._own.username
        self._victims = victims

    def _choices(self) -> Mapping[Callable[[], None], int]:
        administers: dict[Callable[[], None], int] = {
            self.step_as_a_victim: 20,
            self.find: 5,
            self.list_users: 2,
            self.disable_and_enable: 3,
            self.end_their_sessions: 3,
            self.promote_and_demote: 3,
            self.resign: 2,
            self.rename_a_victim: 3,
            self.close_a_victim: 2,
        }
        own = dict(super()._choices())
        # The name stays, which others try to take, and so does the account.
        for left in (self.rename, self.close):
            del own[left]
        return own | administers

    def _victim(self) -> tuple[User, Account]:
        victim = self._random.choice(self._victims)
        if victim.account is None:
            victim.register()
        if victim.account is None:
            raise LookupError("nobody registered")
        return victim, victim.account

    def _administer(self, what: str, account: Account, **changes: Any) -> Reply:
        path = f"/user/{account.public_id}"
        return self._ask(what, "PATCH", path, changes, self._sitting().access)

    def step_as_a_victim(self) -> None:
        """Who is administered does as others do, between."""
        victim, _ = self._victim()
        victim.step()

    def find(self) -> None:
        """An address finds its account and no other."""
        _, account = self._victim()
        path = f"/user?email={account.email.upper()}"
        reply = self._ask("find a user", "GET", path, token=self._sitting().access)
        self._expect(reply, 200)
        found = [(one["public_id"], one["email"]) for one in reply.body["data"]]
        self._judge("found", found, [(account.public_id, account.email)])

    def list_users(self) -> None:
        """A page is no longer than it was asked for, and newest first."""
        reply = self._ask("list users", "GET", "/user?limit=5", token=self._sitting().access)
        self._expect(reply, 200)
        listed = [one["registered_on"] for one in reply.body["data"]]
        self._judge("order", listed, sorted(listed, reverse=True))
        if not 1 <= len(listed) <= 5:
            raise WrongAnswerError(f"{len(listed)} users, and 5 were asked for")

    def disable_and_enable(self) -> None:
        """Who is disabled is out, at once, and back when they are enabled."""
        victim, account = self._victim()
        self._expect(self._administer("disable", account, disabled=True), 200)
        account.end_all()
        for sitting in account.dead[-2:]:
            self._is_dead(sitting)
        given = {"email": account.email, "password": account.password}
        reply = self._caller.ask("log in, disabled", "POST", "/auth/login", given)
        account.wrong_passwords += 1
        self._expect(reply, 401, code="wrong_credentials")
        reply = self._administer("enable", account, disabled=False)
        self._expect(reply, 200)
        self._judge("disabled", reply.body["disabled"], known=False)
        victim.log_in()

    def end_their_sessions(self) -> None:
        """Somebody's sessions are over."""
        _, account = self._victim()
        path = f"/user/{account.public_id}/sessions"
        reply = self._ask("end their sessions", "DELETE", path, token=self._sitting().access)
        self._expect(reply, 200)
        account.end_all()
        for sitting in account.dead[-2:]:
            self._is_dead(sitting)

    def promote_and_demote(self) -> None:
        """A right, and its loss, counts from the next request on, with the old token."""
        victim, account = self._victim()
        if not account.sittings:
            victim.log_in()
        token = next(iter(account.sittings.values())).access
        self._expect(self._administer("promote", account, admin=True), 200)
        account.admin = True
        self._expect(self._ask("list users, new admin", "GET", "/user?limit=1", token=token), 200)
        self._expect(self._administer("demote", account, admin=False), 200)
        account.admin = False
        reply = self._ask("list users, not allowed", "GET", "/user?limit=1", token=token)
        self._expect(reply, 403, code="not_allowed")

    def resign(self) -> None:
        """The last admin stays."""
        reply = self._administer("resign, last admin", self._own, admin=False)
        self._expect(reply, 409, code="last_admin")
        given = {"current_password": self._own.password}
        reply = self._ask("close, last admin", "DELETE", "/user/me", given, self._sitting().access)
        self._expect(reply, 409, code="last_admin")

    def rename_a_victim(self) -> None:
        """An admin gives somebody a name, which they see."""
        victim, account = self._victim()
        self._made += 1
        name = f"{victim.name}-given-{self._made}"
        self._expect(self._administer("rename somebody", account, username=name), 200)
        account.username = name
        if account.sittings:
            victim.look()

    def close_a_victim(self) -> None:
        """An admin closes an account, without its password."""
        victim, account = self._victim()
        path = f"/user/{account.public_id}"
        reply = self._ask("close somebody", "DELETE", path, token=self._sitting().access)
        self._expect(reply, 200, *([404] if reply.unsure else []))
        account.end_all()
        if account.dead:
            self._is_dead(account.dead[-1])
        victim.account = None
