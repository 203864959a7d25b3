// Verifies access tokens by the published keys alone, with aws-jwt-verify. It sees no revocation.
// It needs ACCOUNTS_ISSUER in its environment: the URL of the accounts API, over HTTPS.

import { JwtVerifier } from "aws-jwt-verify";

const issuer = process.env.ACCOUNTS_ISSUER;
const KEYS_LAST_MS = 300_000;
// No access token is without these (RFC 9068, section 2.2).
const CLAIMS = ["iss", "aud", "sub", "client_id", "iat", "exp", "jti"];

const verifier = JwtVerifier.create({
  issuer,
  audience: process.env.ACCOUNTS_AUDIENCE ?? "accounts",
  jwksUri: `${issuer}/.well-known/jwks.json`,
  graceSeconds: 5, // two clocks are never quite the same
  customJwtCheck({ header, payload }) {
    // The library takes any algorithm that fits the key, looks at no type, and requires no claim.
    if (header.alg !== "RS256") throw new Error("not an algorithm of this issuer");
    if (header.typ !== "at+jwt") throw new Error("not an access token");
    const missing = CLAIMS.filter((claim) => payload[claim] === undefined);
    if (missing.length) throw new Error(`without ${missing}`);
  },
});

let keysReadAt = -Infinity;

// Resolves to the token's claims, and rejects if it is no access token of this issuer.
export async function verify(token) {
  // The library asks for keys when it meets a new one, and never drops one that was withdrawn.
  if (Date.now() - keysReadAt > KEYS_LAST_MS) {
    await verifier.hydrate();
    keysReadAt = Date.now();
  }
  return verifier.verify(token);
}
