"""`GET /user/me` by FastAPI, behind Mangum, with boto3 and PyJWT.

The public key is in the environment, where one would usually be fetched.
"""

import os
from typing import Annotated, Any

import boto3
import jwt
from fastapi import Depends, FastAPI, HTTPException, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from mangum import Mangum
from pydantic import BaseModel

KEY = jwt.PyJWK.from_json(os.environ["PUBLIC_KEY"])

app = FastAPI()
users = boto3.resource("dynamodb").Table(os.environ["USERS_TABLE"])


class User(BaseModel):
    """Who is asking."""

    public_id: str
    username: str
    email: str
    registered_on: str


def current_user(
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> User:
    """Verify the token, and read its owner."""
    refusal = HTTPException(status.HTTP_401_UNAUTHORIZED, "Invalid token.")
    try:
        claims: dict[str, Any] = jwt.decode(
            credentials.credentials,
            KEY,
            algorithms=["RS256"],
            audience=os.environ["AUDIENCE"],
            issuer=os.environ["ISSUER"],
            options={"require": ["exp", "iat", "sub"]},
        )
    except jwt.InvalidTokenError as fault:
        raise refusal from fault
    key = {"pk": f"user#{claims['sub']}"}
    user = users.get_item(Key=key, ConsistentRead=True).get("Item")
    if user is None:
        raise refusal
    return User(
        public_id=claims["sub"],
        username=user["username"],
        email=user["email"],
        registered_on=str(user["registered_on"]),
    )


@app.get("/user/me")
def show_me(user: Annotated[User, Depends(current_user)]) -> User:
    """Answer them."""
    return user


handler = Mangum(app, lifespan="off")
