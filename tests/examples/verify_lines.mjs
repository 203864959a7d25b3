// Asks a verifier in Node about tokens: `node verify_lines.mjs MODULE`. Each line of the standard
// input is {"token": …}, or {"step": seconds} to put the clock forward, and gets a line of answer.

import { createInterface } from "node:readline";

const { verify } = await import(process.argv[2]);
const now = Date.now;
let ahead = 0;
Date.now = () => now() + ahead;

async function answer({ token, step }) {
  ahead += (step ?? 0) * 1_000;
  if (token === undefined) return {};
  try {
    return { claims: await verify(token) };
  } catch (error) {
    return { refused: error.message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))));
}
