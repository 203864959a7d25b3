"""`GET /user/me` by Powertools for AWS Lambda: its router, its logger, boto3 and PyJWT.

The public key is in the environment, where one would usually be fetched.
"""

import os
from typing import Any

import boto3
import jwt
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.exceptions import UnauthorizedError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

KEY = jwt.PyJWK.from_json(os.environ["PUBLIC_KEY"])

logger = Logger(service="peer")
app = APIGatewayRestResolver()
users = boto3.resource("dynamodb").Table(os.environ["USERS_TABLE"])


@app.get("/user/me")
def show_me() -> dict[str, Any]:
    """Verify the token, read its owner, and answer them."""
    header = app.current_event.headers.get("authorization") or ""
    try:
        claims = jwt.decode(
            header.removeprefix("Bearer "),
            KEY,
            algorithms=["RS256"],
            audience=os.environ["AUDIENCE"],
            issuer=os.environ["ISSUER"],
            options={"require": ["exp", "iat", "sub"]},
        )
    except jwt.InvalidTokenError as fault:
        raise UnauthorizedError("Invalid token.") from fault
    key = {"pk": f"user#{claims['sub']}"}
    user = users.get_item(Key=key, ConsistentRead=True).get("Item")
    if user is None:
        raise UnauthorizedError("Invalid token.")
    return {
        "public_id": claims["sub"],
        "username": user["username"],
        "email": user["email"],
        "registered_on": str(user["registered_on"]),
    }


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer API Gateway."""
    return app.resolve(event, context)
