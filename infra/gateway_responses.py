"""What a client reads when API Gateway refuses a request before any function of ours runs.

API Gateway names its refusals; each is given the contract's status and body here, once, for the
deployed API and for `make run`.
See https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from collections.abc import Mapping

from chalicelib.domain import errors
from chalicelib.domain.errors import AccountsError

GATEWAY_RESPONSES: Mapping[str, type[AccountsError]] = {
    # No Authorization header: the authorizer was not asked.
    "UNAUTHORIZED": errors.TokenMissingError,
    # The authorizer denied. One answer serves every reason; which it was, its log says.
    "ACCESS_DENIED": errors.TokenInvalidError,
    # The authorizer could not decide (its store or its keys did not answer): nobody is let in.
    "AUTHORIZER_CONFIGURATION_ERROR": errors.UnavailableError,
    "AUTHORIZER_FAILURE": errors.UnavailableError,
    # An unknown path or, on AWS, an unknown method of a known path.
    "MISSING_AUTHENTICATION_TOKEN": errors.NotFoundError,
    "RESOURCE_NOT_FOUND": errors.NotFoundError,
    # An unknown path with an Authorization header, which API Gateway takes for a signature.
    "INVALID_SIGNATURE": errors.NotFoundError,
    "DEFAULT_4XX": errors.NotFoundError,
    "WAF_FILTERED": errors.NotAllowedError,
    "REQUEST_TOO_LARGE": errors.BodyTooLargeError,
    "UNSUPPORTED_MEDIA_TYPE": errors.UnsupportedMediaTypeError,
    "THROTTLED": errors.TooManyRequestsError,
    "QUOTA_EXCEEDED": errors.TooManyRequestsError,
    # The function crashed, was throttled, did not answer in time, or is not there. Each is named:
    # sources differ on whether another one has the fallback's status, or keeps its own (504).
    "INTEGRATION_FAILURE": errors.UnavailableError,
    "INTEGRATION_TIMEOUT": errors.UnavailableError,
    "API_CONFIGURATION_ERROR": errors.UnavailableError,
    "DEFAULT_5XX": errors.UnavailableError,
}
