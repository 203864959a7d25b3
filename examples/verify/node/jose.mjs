// Verifies access tokens by the published keys alone, with jose. It sees no revocation.
// It needs ACCOUNTS_ISSUER in its environment: the URL of the accounts API.

import { createRemoteJWKSet, jwtVerify } from "jose";

const issuer = process.env.ACCOUNTS_ISSUER;

// Keeps the keys for five minutes. A new key makes it fetch them again, though not within 30
// seconds of the last time.
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), {
  cacheMaxAge: 300_000,
});

// Resolves to the token's claims, and rejects if it is no access token of this issuer.
export async function verify(token) {
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ["RS256"], // never what the token itself names
    typ: "at+jwt", // an ID token is no access token
    issuer,
    audience: process.env.ACCOUNTS_AUDIENCE ?? "accounts",
    requiredClaims: ["sub", "client_id", "iat", "exp", "jti"], // RFC 9068, section 2.2
    clockTolerance: 5, // two clocks are never quite the same
  });
  return payload;
}
