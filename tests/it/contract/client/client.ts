// What an app does with the API, by the client that openapi-typescript and openapi-fetch make of its page. Prints
// what it saw as JSON; the test compares.
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./nexus.js";

type Problem = components["schemas"]["Problem"];
type User = components["schemas"]["User"];

const baseUrl = process.env.NEXUS_URL ?? "";
const api = createClient<paths>({ baseUrl });

/** What was answered, where it is what was asked for. */
function done<T>(answer: { data?: T; error?: Problem; response: Response }): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.status} ${answer.error?.code}: ${answer.error?.detail}`);
  }
  return answer.data;
}

/** What went wrong, where something must. */
function wrong(answer: { error?: Problem; response: Response }): [number, string] {
  if (answer.error === undefined) throw new Error(`${answer.response.status} is no problem`);
  return [answer.response.status, answer.error.code];
}

const params = { header: { "X-Tenant-ID": "acme" } };
const email = "ann@acme.example";
const refused = wrong(await api.POST("/auth/login", { params, body: { email, password: "not it" } }));
const password = process.env.NEXUS_PASSWORD ?? "";
const pair = done(await api.POST("/auth/login", { params, body: { email, password, client: "test" } }));

const bearer: Middleware = {
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${pair.access_token}`);
  },
};
api.use(bearer);

// Create three, one of them twice under one key.
const create = (name: string, key: string) =>
  api.POST("/users", {
    params: { header: { "Idempotency-Key": key } },
    body: { email: `${name}@acme.example`, name, roles: ["Viewer"] },
  });
const bob = done(await create("bob", "key-of-bob"));
const again = await create("bob", "key-of-bob");
const replayed = [done(again).id === bob.id, again.response.headers.get("Idempotency-Replayed")];
for (const name of ["cy", "di"]) done(await create(name, `key-of-${name}`));
const taken = wrong(await create("bob", "another-key"));
const reused = wrong(await create("ed", "key-of-bob"));

// Page through by cursor.
const seen: string[] = [];
let pages = 0;
for (let cursor: string | undefined; ; ) {
  const page = done(await api.GET("/users", { params: { query: { limit: 2, sort: "email", cursor } } }));
  seen.push(...page.data.map((user: User) => user.email));
  pages += 1;
  if (page.pagination.next == null) break;
  cursor = page.pagination.next;
}

// Change what was not changed since it was read.
const path = { id: bob.id };
const read = await api.GET("/users/{id}", { params: { path } });
const etag = read.response.headers.get("ETag") ?? "";
const change = { params: { path, header: { "If-Match": etag } }, body: { name: "Bob Birch" } };
const changed = done(await api.PATCH("/users/{id}", change)).name;
const stale = wrong(await api.PATCH("/users/{id}", change));

const unknown = wrong(
  await api.GET("/users/{id}", { params: { path: { id: "00000000-0000-7000-8000-000000000000" } } }),
);
console.log(JSON.stringify({ refused, replayed, taken, reused, seen, pages, changed, stale, unknown }));
