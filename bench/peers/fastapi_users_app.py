"""FastAPI Users as its documentation sets it up: SQLAlchemy, aiosqlite, a bearer transport.

DATABASE is SQLite's file, STRATEGY what its tokens are: `jwt`, `jwt-rs256`, which is signed as
ours are, or `database`, which can be revoked as ours can. Passwords are hashed with bcrypt.
"""

import os
import uuid
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from asgi import Caller, Prepared
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import (
    AuthenticationBackend,
    BearerTransport,
    JWTStrategy,
    Strategy,
)
from fastapi_users.authentication.strategy.db import AccessTokenDatabase, DatabaseStrategy
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from fastapi_users_db_sqlalchemy.access_token import (
    SQLAlchemyAccessTokenDatabase,
    SQLAlchemyBaseAccessTokenTableUUID,
)
from pwdlib import PasswordHash
from pwdlib.hashers.bcrypt import BcryptHasher
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

COST = 12
LIFETIME_SECONDS = 900
SECRET = os.urandom(32).hex()


class Base(DeclarativeBase):
    """The tables."""


class User(SQLAlchemyBaseUserTableUUID, Base):
    """Its own columns."""


class AccessToken(SQLAlchemyBaseAccessTokenTableUUID, Base):
    """Likewise."""


class UserRead(schemas.BaseUser[uuid.UUID]):
    """What is shown."""


class UserCreate(schemas.BaseUserCreate):
    """What is registered."""


class UserUpdate(schemas.BaseUserUpdate):
    """What may be changed."""


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    """Its own rules."""

    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['DATABASE']}")
new_session = async_sessionmaker(engine, expire_on_commit=False)


async def get_session() -> AsyncGenerator[AsyncSession, None]:
    """Open a session for a request."""
    async with new_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


async def get_user_db(session: Session) -> AsyncGenerator[Any, None]:
    """Find users in it."""
    yield SQLAlchemyUserDatabase(session, User)


async def get_access_token_db(session: Session) -> AsyncGenerator[Any, None]:
    """Find tokens in it."""
    yield SQLAlchemyAccessTokenDatabase(session, AccessToken)


passwords = PasswordHelper(PasswordHash((BcryptHasher(rounds=COST),)))


async def get_user_manager(
    user_db: Annotated[Any, Depends(get_user_db)],
) -> AsyncGenerator[UserManager, None]:
    """Manage them."""
    yield UserManager(user_db, passwords)


def get_jwt_strategy() -> Strategy[User, uuid.UUID]:
    """Tokens that are signed with a secret, as the documentation has it."""
    return JWTStrategy(secret=SECRET, lifetime_seconds=LIFETIME_SECONDS)


PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_KEY = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_KEY = (
    PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)


def get_rs256_strategy() -> Strategy[User, uuid.UUID]:
    """Tokens that are signed with a private key, as the documentation has it."""
    return JWTStrategy(
        secret=PRIVATE_KEY,
        lifetime_seconds=LIFETIME_SECONDS,
        algorithm="RS256",
        public_key=PUBLIC_KEY,
    )


def get_database_strategy(
    tokens: Annotated[AccessTokenDatabase[Any], Depends(get_access_token_db)],
) -> Strategy[User, uuid.UUID]:
    """Tokens that are rows."""
    return DatabaseStrategy(tokens, lifetime_seconds=LIFETIME_SECONDS)


STRATEGIES = {
    "jwt": get_jwt_strategy,
    "jwt-rs256": get_rs256_strategy,
    "database": get_database_strategy,
}
backend = AuthenticationBackend(
    name="bearer",
    transport=BearerTransport(tokenUrl="auth/login"),
    get_strategy=STRATEGIES[os.environ["STRATEGY"]],
)
users = FastAPIUsers[User, uuid.UUID](get_user_manager, [backend])

app = FastAPI()
app.include_router(users.get_auth_router(backend), prefix="/auth")
app.include_router(users.get_register_router(UserRead, UserCreate), prefix="/auth")
app.include_router(users.get_users_router(UserRead, UserUpdate), prefix="/users")

caller = Caller(app)


async def create_tables() -> None:
    """Make the file ready."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


caller.run(create_tables())


def register(given: dict[str, str]) -> Prepared:
    """Open an account."""
    return caller.prepare("POST", "/auth/register", content=given)


def login(given: dict[str, str]) -> Prepared:
    """Log in."""
    form = {"username": given["email"], "password": given["password"]}
    return caller.prepare("POST", "/auth/login", form=form)


def logout(given: dict[str, str]) -> Prepared:
    """Log out: of a token that is no row, this forgets nothing."""
    return caller.prepare("POST", "/auth/logout", token=given["token"])


def show_me(given: dict[str, str]) -> Prepared:
    """Look at oneself."""
    return caller.prepare("GET", "/users/me", token=given["token"])


OPERATIONS = {"register": register, "login": login, "logout": logout, "me": show_me}
