"""Flask-Security as its documentation sets it up for an API: Flask-SQLAlchemy and tokens.

DATABASE is SQLite's file. Passwords are hashed with bcrypt at cost 12, refresh tokens are on.
"""

import io
import json
import os
import secrets
from collections.abc import Callable
from typing import Any

from flask import Flask, jsonify
from flask_security import (
    Security,
    SQLAlchemyUserDatastore,
    auth_required,
    current_user,
    hash_password,
)
from flask_security.models import fsqla_v4 as fsqla
from flask_sqlalchemy import SQLAlchemy

Prepared = Callable[[], tuple[int, str]]

app = Flask(__name__)
app.config.update(
    SECRET_KEY=secrets.token_urlsafe(),
    SECURITY_PASSWORD_SALT=str(secrets.SystemRandom().getrandbits(128)),
    SECURITY_PASSWORD_HASH="bcrypt",  # noqa: S106 - the name of what hashes
    SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS={"bcrypt__rounds": 12},
    SECURITY_REFRESH_TOKEN=True,
    SECURITY_REFRESH_TOKEN_COOKIE_NAME=None,
    SECURITY_EMAIL_VALIDATOR_ARGS={"check_deliverability": False},
    # For clients that are no browsers, as its documentation has it.
    WTF_CSRF_ENABLED=False,
    SQLALCHEMY_DATABASE_URI=f"sqlite:///{os.environ['DATABASE']}",
    SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True},
)
db = SQLAlchemy(app)
fsqla.FsModels.set_db_info(db)


class Role(db.Model, fsqla.FsRoleMixin):
    """Its own columns."""


class User(db.Model, fsqla.FsUserMixin):
    """Likewise."""


class FsRefreshTracker(db.Model, fsqla.FsRefreshTrackerMixin):
    """Likewise."""


store = SQLAlchemyUserDatastore(db, User, Role, refresh_tracker_model=FsRefreshTracker)
app.security = Security(app, store)


@app.get("/me")
@auth_required("token")
def show_oneself() -> Any:
    """Answer the caller."""
    return jsonify(
        email=current_user.email,
        active=current_user.active,
        confirmed_at=current_user.confirmed_at,
        created=current_user.create_datetime,
    )


with app.app_context():
    db.create_all()


def prepare(method: str, path: str, content: Any = None, token: str = "") -> Prepared:
    """Make ready all that a server would hand on."""
    body = b"" if content is None else json.dumps(content).encode()
    path, _, query = path.partition("?")
    environment: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "example.com",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_HOST": "example.com",
        "HTTP_ACCEPT": "application/json",
        "HTTP_USER_AGENT": "bench",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if content is not None:
        environment["CONTENT_TYPE"] = "application/json"
    if token:
        environment["HTTP_AUTHENTICATION_TOKEN"] = token

    def call() -> tuple[int, str]:
        begun: list[str] = []
        parts = app.wsgi_app(
            environment, lambda status, _headers, _fault=None: begun.append(status)
        )
        try:
            text = b"".join(parts).decode()
        finally:
            parts.close()
        return int(begun[0].split()[0]), text

    return call


def register(given: dict[str, str]) -> Prepared:
    """Open an account."""

    def add() -> tuple[int, str]:
        with app.app_context():
            store.create_user(email=given["email"], password=hash_password(given["password"]))
            store.commit()
        return 201, "{}"

    return add


def login(given: dict[str, str]) -> Prepared:
    """Log in."""
    return prepare("POST", "/login?include_auth_token", given)


def refresh(given: dict[str, str]) -> Prepared:
    """Get the next tokens."""
    return prepare("POST", "/refresh-token", {"refresh_token": given["refresh"]})


def logout(given: dict[str, str]) -> Prepared:
    """Log out."""
    return prepare("POST", "/logout", {"refresh_token": given["refresh"]}, given["token"])


def show_me(given: dict[str, str]) -> Prepared:
    """Look at oneself."""
    return prepare("GET", "/me", token=given["token"])


OPERATIONS = {
    "register": register,
    "login": login,
    "logout": logout,
    "refresh": refresh,
    "me": show_me,
}
